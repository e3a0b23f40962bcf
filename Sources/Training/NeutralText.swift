// SPDX-License-Identifier: Apache-2.0
// Text without mood, register or opinion, on which steering should change as little as possible.

enum NeutralText {
    /// Plain prose of several kinds, about 100 tokens each, written for this purpose: on one kind alone a profile
    /// that happens to suit it would look harmless.
    static let passages = [geography, history, science, instructions]

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
}
