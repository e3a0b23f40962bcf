// SPDX-License-Identifier: Apache-2.0
// The text on which every conversion is measured. No part of it is used for calibration: on its own text a calibration looks
// better than it is.

/// Texts of several kinds, each evaluated in a separate context.
package enum MeasurementText {
    package static let passages = [narrative, facts, instructions]

    private static let narrative = """
        By the time the last guests had left, the candles on the long table were burnt down to the holders and the dog had \
        eaten what remained of the ham. Clara opened both windows. The night smelled of lilac and of the stables across \
        the road, and from the inn one could still hear the fiddler, who had been paid until midnight and now played for \
        himself. She gathered the glasses, counted them, and found one missing. It did not trouble her much. Every year \
        something was lost at this feast: a spoon, a hat, once even a husband, though he had come back in the autumn with \
        a beard and a story about a ship. “Leave it until tomorrow,” her brother called from the stairs. He was carrying \
        his shoes in one hand and a lamp in the other. “Tomorrow we shall find it in the garden, as we always do.”
        """

    private static let facts = """
        The common swift is a medium @-@ sized bird that spends almost its whole life in the air . It breeds from western \
        Europe to eastern Asia and winters in the southern half of Africa . Adults are 16 to 17 centimetres long , with a \
        wingspan of about 40 centimetres , and weigh between 36 and 50 grams . In 1967 a study of ringed birds showed that \
        they can reach an age of 21 years . Swifts feed on insects and small spiders , which they catch in flight ; during \
        cold spells the young fall into a torpor and survive for several days without food . Because modern buildings \
        offer few holes for their nests , the number of breeding pairs in Britain fell by more than half between 1995 and \
        2015 , and the species was added to the national list of endangered birds in 2021 .
        """

    private static let instructions = """
        Question: My bicycle chain keeps slipping when I pedal hard. What could be the reason, and what can I do about it?

        Answer: There are three common reasons. First, the chain may be worn: measure twelve links, and if they are longer \
        than 30.8 cm, buy a new chain. Second, the teeth of the sprockets may be worn too; they then look like shark fins, \
        and a new chain will slip on them as well. Third, the derailleur may be out of adjustment, so that the chain sits \
        between two sprockets. Turn the barrel adjuster half a turn at a time until the noise stops.

        ```python
        def is_worn(length_in_cm: float, links: int = 12) -> bool:
            nominal = links * 2.54
            return length_in_cm / nominal > 1.01
        ```

        Se la catena è nuova e il problema rimane, conviene portare la bicicletta in officina.
        """
}
