// SPDX-License-Identifier: Apache-2.0

/// Why a source model cannot be converted.
package struct ConversionError: Error, CustomStringConvertible, Equatable {
    package let description: String

    package init(_ description: String) { self.description = description }
}
