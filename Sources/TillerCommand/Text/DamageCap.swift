// SPDX-License-Identifier: Apache-2.0
// What steering may do to a token at most.

import ArgumentParser
import Commands
import Tiller

struct DamageCapOptions: ParsableArguments {
    @Option(
        name: .customLong("max-divergence"), parsing: .unconditional, help: ArgumentHelp(.maximumDivergence))
    var maximumDivergence: Double?

    func parsed() throws(TillerError) -> Double? { try damageCap(maximumDivergence) }
}
