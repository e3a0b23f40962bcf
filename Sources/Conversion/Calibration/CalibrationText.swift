// SPDX-License-Identifier: Apache-2.0
// The default calibration text: short texts of many kinds, written for this purpose. A quantizer calibrated on one kind of text
// only is worse on all others.

/// Texts of many kinds and languages.
package enum CalibrationText {
    /// Each is a separate text.
    package static let passages =
        [encyclopedia, story, letter, news, science, recipe, law, review, numbers] + languages + code

    /// The texts on which matrices are compared.
    static let comparison = [encyclopedia, story]

    /// Questions and answers, for the model's own chat template.
    package static let conversations: [[(role: String, text: String)]] = [
        [
            ("user", "Can you explain why the sky is blue, in a few sentences?"),
            (
                "assistant",
                """
                Sunlight contains all colours. When it passes through the air, the molecules scatter short waves much more \
                than long ones: blue light is scattered about four times as strongly as red. So blue reaches us from every \
                direction, while the other colours mostly go straight on. At sunset the path through the air is so long \
                that most of the blue is gone, and what is left looks orange or red.
                """
            ),
            ("user", "And why isn't it violet then?"),
            (
                "assistant",
                """
                Good question! There are two reasons. First, the sun gives off less violet than blue light, and part of it \
                is absorbed high up in the atmosphere. Second, our eyes are less sensitive to violet. Together this makes \
                the mixture look blue to us.
                """
            ),
        ],
        [
            ("system", "You are a helpful assistant who answers in short lists."),
            ("user", "What should I pack for a weekend of hiking in the mountains in October?"),
            (
                "assistant",
                """
                Here is a short list:

                1. **Clothes**: a warm layer, a rain jacket, a hat, gloves and two pairs of wool socks.
                2. **Shoes**: boots that you have worn before.
                3. **Food and water**: at least 1.5 litres a day, nuts, bread, cheese, chocolate.
                4. **Safety**: a map, a charged phone, a headlamp, a small first-aid kit.
                5. **Sleep**: a sleeping bag for 0 °C, unless the hut has blankets.

                Check the weather forecast the evening before, and tell somebody which way you plan to go.
                """
            ),
        ],
        [
            (
                "user",
                "I have 3 boxes with 12 eggs each. I use 7 eggs for a cake and drop 4. How many are left?"
            ),
            (
                "assistant",
                """
                Let's go step by step.

                - At the start there are 3 × 12 = 36 eggs.
                - After the cake there are 36 − 7 = 29.
                - After the accident there are 29 − 4 = 25.

                So **25 eggs** are left.
                """
            ),
            ("user", "Write a short, friendly message to my neighbour to offer her ten of them."),
            (
                "assistant",
                """
                Hi Maria! We have far more eggs than we can eat this week. Would you like ten of them? I can bring them over \
                this evening after six, or leave them at your door. Best wishes, Tom
                """
            ),
        ],
    ]

    private static let encyclopedia = """
        = Harbour of Lindmark =

        The Harbour of Lindmark is a natural inlet on the western coast of the island , about 14 kilometres south of the \
        town of the same name . It was used by fishermen from the 12th century on and became a base of the royal navy in \
        1658 . The first stone quay , 220 metres ( 720 ft ) long , was completed in 1703 under the engineer Karl Sundt ; it \
        was lengthened twice , in 1781 and again between 1889 and 1894 . During the Second World War the harbour was closed \
        to civilian ships , and two of its three warehouses were destroyed by fire in February 1942 .

        = = Geography and climate = =

        The inlet is 3 @.@ 2 kilometres long and up to 900 metres wide . Its depth varies from 6 to 31 metres . A chain of \
        small islands protects it from the north @-@ westerly winds that prevail in winter . The mean temperature is \
        1 @.@ 5 ° C in January and 16 @.@ 8 ° C in July ; some 780 millimetres of rain fall each year , most of it in \
        autumn . Seals , cormorants and , since the 1990s , a growing number of white @-@ tailed eagles can be seen on \
        the outer skerries .

        = = Reception and legacy = =

        The harbour appears in several works of art , among them a series of etchings by Anna Brandt and the film " The \
        Long Quay " ( 1967 ) , which won the prize for best photography at the festival of Locarno . Critics praised the \
        film 's slow pace and its music ; one of them called it " the quietest storm ever filmed " . Since 2004 the old \
        warehouse has been a museum , which had 48 @,@ 000 visitors in its best year .
        """

    private static let story = """
        “You should not have come,” said the old woman, without looking up from her knitting. “Not today. The bridge is \
        out, and the ferryman drinks.”

        Elias put his wet coat over the chair by the stove. He had walked since dawn, first along the railway line, then \
        through the birch wood where the path was more water than earth, and all the way he had thought of what he would \
        say to her. Now that he stood in her kitchen, every word of it was gone.

        “I found the letters,” he said at last.

        The needles stopped. Outside, the rain ran down the panes and gathered in the crooked gutter, and somewhere behind \
        the house a door banged in the wind. For a long while she did not answer; then she laughed, softly, as one laughs \
        at a child who has asked why people die.

        “Your father wrote those the winter before he went away,” she said. “He was twenty-two, and he believed that a \
        promise was a kind of magic. I never had the heart to burn them. Sit down, boy. Take off your boots. If we are \
        going to quarrel, we'll do it with something hot in our stomachs.”

        So he sat, and she ladled out the soup; and it was only when the bowl was empty, and the cat had settled on his \
        knees as though it had known him for years, that he understood she was afraid.
        """

    private static let letter = """
        Dear Ms. Okafor,

        thank you for your message of 14 March. I am sorry to hear that the lamp you ordered from us (order no. 88-20417) \
        arrived with a broken shade. We have sent you a new one today by parcel service; it should reach you within three \
        working days. You don't need to return the broken part, please just put it in the glass container.

        If you have any other questions, you can reach me by e-mail at support@example.com or by phone from 9 a.m. to 5 \
        p.m. on weekdays.

        Kind regards,
        Jonas Weber
        Customer Service
        """

    private static let news = """
        The city council voted on Tuesday night to close the market square to cars from next summer. Twenty-three members \
        were in favour, nineteen against; two abstained. Mayor Linda Torres, who had promised the change during her \
        campaign, called the decision "a gift to everybody who walks, shops or simply sits in the sun". Shopkeepers were \
        less happy. "Half of my customers come by car," said Peter Nowak, who has sold furniture on the square for thirty \
        years. "Nobody carries a wardrobe home on a bicycle." According to a study ordered by the council, sales in similar \
        towns fell by 4% in the first year but grew by 11% over the following three. The opposition announced that it would \
        collect signatures for a referendum. Shares of the company that runs the parking garages fell 2.3 percent to $18.40 \
        on Wednesday morning.
        """

    private static let science = """
        Abstract. We study how the growth rate of bacterial colonies depends on the stiffness of the surface on which they \
        live. Colonies of three species were grown on gels whose elastic modulus ranged from 0.5 to 120 kPa, and their area \
        was measured every ten minutes for 36 hours (n = 240). On soft gels the colonies spread faster at first, but \
        saturated earlier; the final area did not differ significantly (p = 0.31, two-sided t-test). A simple model, in \
        which friction between cells and surface competes with the pressure of growth, reproduces both findings with one \
        free parameter. Let r(t) denote the radius of the colony. Then dr/dt = v(1 - r/R), where v is the initial speed and \
        R the radius at which nutrients are exhausted; it follows that r(t) = R(1 - exp(-vt/R)). Patients with diabetes or \
        a weakened immune system are at higher risk of infections by such biofilms, which often resist treatment with \
        antibiotics: a dose of 500 mg twice a day, sufficient for free bacteria, had no effect within a biofilm.
        """

    private static let recipe = """
        ## Lemon cake

        *Preparation: 20 minutes. Baking: 45 minutes. Serves 8.*

        | Ingredient | Amount |
        |------------|--------|
        | flour | 250 g |
        | sugar | 180 g |
        | butter, soft | 200 g |
        | eggs | 4 |
        | lemons (untreated) | 2 |
        | baking powder | 1 tsp |

        1. Preheat the oven to 175 °C and grease a loaf tin.
        2. Beat the butter and the sugar until pale; add the eggs one at a time.
        3. Grate the zest of both lemons into the bowl, squeeze one of them and add its juice.
        4. Fold in the flour and the baking powder. Don't stir more than necessary!
        5. Bake until a wooden stick comes out clean. Let it cool for ten minutes before you turn it out.
        """

    private static let law = """
        § 4 Termination. (1) Either party may terminate this agreement by giving the other at least thirty (30) days' \
        notice in writing. (2) If a party commits a material breach and fails to remedy it within fourteen days after \
        having been notified, the other party shall be entitled to terminate with immediate effect. (3) Sections 2, 6 and 9 \
        shall survive any termination. § 5 Liability. Except in cases of intent or gross negligence, the supplier's total \
        liability arising out of or in connection with this agreement shall not exceed the fees paid during the twelve \
        months before the event that gave rise to the claim. Interest accrues at a rate of 5.25% per annum on the balance \
        outstanding; dividends received before 31 December are reported under other income.
        """

    private static let review = """
        i bought this kettle two months ago and honestly... it's fine? boils fast, looks nice, BUT the handle gets way too \
        hot and after a few weeks the lid doesn't close properly anymore :( my sister has the same one and hers is still ok \
        so maybe i was just unlucky. 3/5, wouldn't buy again lol. EDIT: they sent me a new one for free!! great service, \
        changed my rating to 4 stars
        """

    private static let numbers = """
        Year  Population  Households  Income ($)
        1990      12,480       4,911      31,250
        2000      13,905       5,662      38,700
        2010      15,117       6,340      44,975
        2020      14,862       6,518      52,310

        Solve 3x + 5 = 20: subtract 5 from both sides, 3x = 15, and divide by 3, so x = 5. The area of a circle of radius 2 \
        is 4π ≈ 12.566. A train that leaves at 8:15 and travels 180 km at 90 km/h arrives at 10:15. The probability of \
        drawing two aces from a deck of 52 cards is 4/52 × 3/51 = 1/221.
        """

    private static let languages = [
        """
        Nel piccolo paese tutti conoscevano la bottega di Teresa, che si trovava proprio dietro la chiesa. Vendeva pane, \
        olio, candele e, quando era stagione, i fichi che suo fratello portava dalla campagna. «Il segreto», diceva ai \
        bambini che le chiedevano come facesse il pane così buono, «è che bisogna aspettare». E loro aspettavano, seduti \
        sul gradino, finché il profumo non riempiva tutta la strada. Un giorno, però, la bottega rimase chiusa, e nessuno \
        seppe spiegare il perché.
        """,
        """
        Die Bibliothek wurde im Jahr 1872 gegründet und gehört heute zu den größten des Landes. Wer ein Buch ausleihen \
        möchte, braucht einen Ausweis, den man am Eingang kostenlos bekommt. Die Leihfrist beträgt vier Wochen; sie kann \
        zweimal verlängert werden, sofern niemand sonst das Buch bestellt hat. Im Lesesaal ist es verboten zu essen, aber \
        im Innenhof gibt es ein kleines Café, in dem man auch arbeiten kann.
        """,
        """
        Le vieux pont de pierre enjambe la rivière depuis plus de quatre siècles. Au printemps, quand la neige fond dans \
        les montagnes, l'eau monte parfois jusqu'aux arches et les habitants du quartier viennent regarder le spectacle. \
        « Il a tenu jusqu'ici, il tiendra encore », répète le maire chaque année. Pourtant, les ingénieurs ne sont pas du \
        même avis : selon leur rapport, des travaux urgents sont nécessaires.
        """,
        """
        La primera vez que vio el mar tenía ocho años. Había viajado toda la noche en autobús con su abuela, y cuando \
        llegaron a la playa el sol todavía no había salido. «¿Es siempre tan grande?», preguntó. La abuela se rió y le \
        dijo que sí, que siempre, y que además no se acababa nunca. Después desayunaron pan con tomate en un bar del puerto.
        """,
        """
        Летом мы каждый вечер ходили к реке. Вода была тёплая, и дети купались до темноты, а взрослые сидели на берегу, \
        пили чай и разговаривали. Иногда приходил сосед с гитарой, и тогда все пели старые песни.
        """,
        """
        春天来了，公园里的花都开了。早上有很多老人在湖边打太极拳，孩子们在草地上放风筝。小王每天下班以后也去那里跑步，\
        他说这样一天的疲劳就都没有了。
        """,
        """
        駅前の小さな喫茶店は、朝七時から開いている。店主は無口な人だが、コーヒーはとてもおいしい。窓際の席に座って、\
        通りを歩く人々を眺めながら本を読むのが、私の週末の楽しみである。
        """,
    ]

    private static let code = [
        """
        import json
        from pathlib import Path


        def load_scores(path: Path, minimum: float = 0.0) -> dict[str, float]:
            \"\"\"Return the best score of each player.

            Players whose best score is below `minimum` are left out.
            \"\"\"
            best: dict[str, float] = {}
            with path.open(encoding="utf-8") as file:
                for line in file:
                    record = json.loads(line)
                    name, score = record["name"], float(record["score"])
                    if score > best.get(name, float("-inf")):
                        best[name] = score
            return {name: score for name, score in best.items() if score >= minimum}


        if __name__ == "__main__":
            for name, score in sorted(load_scores(Path("scores.jsonl")).items(), key=lambda item: -item[1]):
                print(f"{name:20} {score:8.2f}")
        """,
        """
        #include <stdio.h>
        #include <stdlib.h>

        /* Reverses a singly linked list and returns its new head. */
        struct node *reverse(struct node *head) {
            struct node *previous = NULL;
            while (head != NULL) {
                struct node *next = head->next;
                head->next = previous;
                previous = head;
                head = next;
            }
            return previous;
        }

        int main(int argc, char **argv) {
            if (argc < 2) {
                fprintf(stderr, "usage: %s FILE\\n", argv[0]);
                return EXIT_FAILURE;
            }
            return EXIT_SUCCESS;
        }
        """,
        """
        <!DOCTYPE html>
        <html lang="en">
          <head><title>Orders</title><link rel="stylesheet" href="/style.css"></head>
          <body>
            <h1>Open orders</h1>
            <ul id="orders"></ul>
            <script>
              fetch("/api/orders?status=open")
                .then((response) => response.json())
                .then((orders) => {
                  for (const order of orders) {
                    const item = document.createElement("li");
                    item.textContent = `${order.id}: ${order.customer} (${order.total.toFixed(2)} €)`;
                    document.getElementById("orders").append(item);
                  }
                });
            </script>
          </body>
        </html>
        """,
        """
        SELECT c.name, COUNT(*) AS orders, SUM(o.total) AS revenue
        FROM customers AS c JOIN orders AS o ON o.customer_id = c.id
        WHERE o.created_at >= '2024-01-01' AND o.status <> 'cancelled'
        GROUP BY c.name HAVING SUM(o.total) > 1000 ORDER BY revenue DESC LIMIT 20;

        $ git log --oneline | head -3
        4f2a9c1 Fix off-by-one error in pagination
        b07d3e8 Add tests for empty carts
        $ curl -s https://api.example.com/v1/status
        {"status": "ok", "uptime": 86412, "version": "2.3.1", "services": ["db", "cache", "queue"]}
        """,
    ]
}
