// SPDX-License-Identifier: Apache-2.0
// The errors that users of the library can meet.

import Platform

/// An error in one line: what was found, what was expected, what to do.
public enum TillerError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The model file cannot be read or is not valid.
    case invalidFile(String)
    /// An option is outside its range or does not fit the model.
    case invalidOption(String)
    /// A profile is unknown, corrupt or does not fit the model.
    case invalidProfile(String)
    /// The tokens do not fit the session's context. `needed` is the number of tokens counted; a long text may have more.
    case contextOverflow(needed: Int, available: Int)
    /// The system refused memory.
    case outOfMemory(String)
    /// The chat template failed.
    case template(String)

    public var description: String {
        switch self {
        case .invalidFile(let text), .invalidOption(let text), .invalidProfile(let text),
            .outOfMemory(let text):
            text
        case .contextOverflow(let needed, let available):
            "the text needs \(needed) tokens of context, \(available) are left; "
                + "shorten it or raise --context"
        case .template(let text): "chat template: \(text)"
        }
    }

    package init(_ error: AllocationError) { self = .outOfMemory("\(error)") }
}
