// SPDX-License-Identifier: Apache-2.0
// Text without mood, register or opinion, on which steering should change as little as possible.

enum NeutralText {
    /// About 200 tokens of plain description, written for this purpose.
    static let prose = """
        The river rises in the northern hills and flows south for about ninety kilometres before it reaches the \
        coast. Its upper valley is narrow, with beech and oak on both slopes, while the lower part runs through \
        open fields where barley, beans and sugar beet are grown. Three small towns lie along its banks. The \
        largest of them has a railway station, a market on Thursdays and a stone bridge of five arches that was \
        built in 1764 and widened in 1911. Water from the river was used for weaving mills until the middle of \
        the last century; two of the mill buildings are now a library and a school. The annual rainfall is about \
        eight hundred millimetres, most of it between October and February. In spring the water level can rise by \
        more than a metre within a day, and gates near the mouth are closed when a high tide is expected. Trout \
        and eel are found above the second weir, and herons nest in the reeds below it. A path for walkers \
        follows the left bank from the source to the sea.
        """
}
