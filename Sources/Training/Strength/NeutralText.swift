// SPDX-License-Identifier: Apache-2.0
// Text without mood, register or opinion, on which steering should have as little effect as possible.

import Tiller

/// Plain passages of several kinds, about 100 tokens each, written for this purpose. On a single kind, a profile that
/// happens to suit it would look harmless.
package enum NeutralText {
    /// For choosing strengths.
    case choosing
    /// For measuring side effects, those of controls too: passages of other kinds, on which no strength is chosen.
    case measuring

    /// Tokens of a passage to read.
    package static let tokenLimit = 128

    package var passages: [String] {
        switch self {
        case .choosing: [Self.geography, Self.history, Self.science, Self.instructions]
        case .measuring:
            [Self.encyclopedia, Self.report, Self.dialogue, Self.program, Self.letter, Self.regulation]
        }
    }

    package func tokens(_ engine: Engine) -> [[Int32]] {
        passages.map { Array(engine.encode($0).prefix(Self.tokenLimit)) }
    }

    // MARK: - For choosing strengths

    private static let geography = """
        The river rises in the northern hills and flows south for about ninety kilometres before it reaches the \
        coast. Its upper valley is narrow, with beech and oak on both slopes, while the lower part runs through \
        open fields where barley, beans and sugar beet are grown. Three small towns lie along its banks. The \
        largest of them has a railway station, a market on Thursdays and a stone bridge of five arches that was \
        built in 1764 and widened in 1911.
        """

    private static let history = """
        After the war the company moved its main office to Leeds , where it had owned a warehouse since 1893 . The \
        first director , Thomas Hale , resigned in May 1921 and was succeeded by his deputy . In the following \
        season the team won eleven of its twenty @-@ two matches and finished fourth in the second division . A \
        review in the local newspaper noted that the album had been recorded in six days .
        """

    private static let science = """
        Most of the light that falls on a leaf is absorbed by two kinds of pigment. Part of its energy splits water, \
        and the oxygen that is left over escapes through small openings on the lower side. At night these openings \
        close, so that the plant loses less water. The rate of the process depends on temperature, on the amount \
        of carbon dioxide in the air and on the supply of minerals from the soil.
        """

    private static let instructions = """
        Q: How do I change the battery of the clock?
        A: Take the clock off the wall and turn it over. Open the cover on the back, remove the old battery and put \
        in a new one of the same size, with the plus sign facing up. Then close the cover, set the time with the \
        small wheel, and check after a few minutes that the second hand is moving.
        """

    // MARK: - For measuring side effects

    private static let encyclopedia = """
        The oboe is a woodwind instrument with a double reed and a conical bore. Its usual form, about 65 centimetres \
        long, is made of grenadilla and has three joints and a small bell. The compass runs from the B flat below \
        middle C to the A two and a half octaves above. Orchestras of the eighteenth century had two oboes, which \
        doubled the violins in loud passages. The instrument gives the note to which the others are tuned.
        """

    private static let report = """
        The council approved the plan for the harbour road on Tuesday by nineteen votes to twelve. Work is to begin \
        in March and will take fourteen months. During the first stage the northern lane stays open to buses and \
        delivery vans, and other traffic is led over Mill Street. The costs are put at 4.6 million, of which the \
        region pays two thirds. A spokesman said that the contracts would be published by the end of the month.
        """

    private static let dialogue = """
        "Which platform does the train to Norwich leave from?"
        "Number four, at twenty past. You have to change at Ely."
        "How long do I have there?"
        "Eleven minutes. It is the platform on the other side, so you go over the bridge."
        "And the ticket is valid on the later train as well?"
        "On any train today, as long as you do not break the journey. Bicycles need a reservation, but there is room in \
        the last carriage."
        """

    private static let program = """
        def read_table(path, separator=","):
            rows = []
            with open(path, encoding="utf-8") as file:
                header = next(file).rstrip().split(separator)
                for line in file:
                    fields = line.rstrip().split(separator)
                    if len(fields) != len(header):
                        raise ValueError(f"expected {len(header)} fields, found {len(fields)}")
                    rows.append(dict(zip(header, fields)))
            return rows
        """

    private static let letter = """
        Dear Ms Carter, with reference to your order of 3 October, number 20418, we confirm that the shelves and the \
        two cabinets left our warehouse this morning. The carrier will telephone you on the day before delivery to \
        agree on a time. Please check the parcels for damage before you sign. The invoice is enclosed; payment is due \
        within thirty days. The missing hinges will be sent separately by post. Yours sincerely, J. Whitlock, Sales
        """

    private static let regulation = """
        § 7 Use of the reading room
        1. The reading room is open to holders of a valid card from 9 a.m. to 6 p.m. on weekdays.
        2. Works of before 1850, maps and manuscripts are consulted at the tables next to the desk.
        3. Each reader may order up to five volumes a day. Orders received after 4 p.m. are carried out on the \
        following day.
        4. Coats, bags and umbrellas are left in the lockers on the ground floor.
        """
}
