// SPDX-License-Identifier: Apache-2.0
// Attention that stays sharp in long contexts (Llama 4, Ministral 3): queries grow with the logarithm of their position.

import Formats
import Glibc

extension LayerPlan.QueryTemperature {
    /// 1 + factor · ln(1 + ⌊position / length⌋).
    func queryFactor(position: Int) -> Float {
        Float(1 + Double(factor) * log(Double(1 + position / length)))
    }
}
