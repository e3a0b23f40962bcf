// SPDX-License-Identifier: Apache-2.0
// Formats numbers for people.

/// A number with a fixed number of decimals.
package func formatted(_ value: Double, digits: Int) -> String {
    guard value.isFinite, abs(value) < 1e15 else { return "\(value)" }
    var scale = 1.0
    for _ in 0..<digits { scale *= 10 }
    let scaled = Int((abs(value) * scale).rounded())
    let sign = value < 0 && scaled > 0 ? "-" : ""
    let (whole, fraction) = scaled.quotientAndRemainder(dividingBy: Int(scale))
    guard digits > 0 else { return "\(sign)\(whole)" }
    let tail = String(fraction)
    return "\(sign)\(whole)." + String(repeating: "0", count: digits - tail.count) + tail
}

/// Bytes in decimal units, as disks and downloads count them.
package func formatted(bytes: Int) -> String {
    switch bytes {
    case ..<1000: "\(bytes) B"
    case ..<1_000_000: "\(formatted(Double(bytes) / 1e3, digits: 1)) kB"
    case ..<1_000_000_000: "\(formatted(Double(bytes) / 1e6, digits: 1)) MB"
    default: "\(formatted(Double(bytes) / 1e9, digits: 2)) GB"
    }
}

extension String {
    /// The text, padded with spaces to a width.
    package func padded(to width: Int) -> String {
        self + String(repeating: " ", count: Swift.max(0, width - count))
    }
}
