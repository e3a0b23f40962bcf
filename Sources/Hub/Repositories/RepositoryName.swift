// SPDX-License-Identifier: Apache-2.0
// How users name a model of the Hub: OWNER/NAME, with :TAG for one of several GGUF types and @REVISION for another state.

/// A model of the Hub, and which of its files.
package struct RepositoryName: Equatable, Sendable, CustomStringConvertible {
    package let owner: String
    package let name: String
    /// A GGUF type such as "Q4_K_M"; nil for the best source.
    package let tag: String?
    /// A branch, a tag or a commit; nil for the main branch.
    package let revision: String?

    /// As in the Hub's addresses.
    package var repository: String { "\(owner)/\(name)" }

    /// The folder of its files below that of all downloads.
    package var folder: String {
        repository + (revision.map { "@" + $0.split(separator: "/").joined(separator: "-") } ?? "")
    }

    /// As the user writes it.
    package var description: String {
        repository + (tag.map { ":" + $0 } ?? "") + (revision.map { "@" + $0 } ?? "")
    }

    /// - Throws: `HubError.invalidName`.
    package init(_ text: String) throws(HubError) {
        let parts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        let names = parts[0].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let path = names[0].split(separator: "/", omittingEmptySubsequences: false)
        let revision = parts.count > 1 ? String(parts[1]) : nil
        let tag = names.count > 1 ? String(names[1]) : nil
        let revisionParts = revision?.split(separator: "/", omittingEmptySubsequences: false) ?? []
        guard path.count == 2, (path + revisionParts).allSatisfy(Self.isName),
            tag.map({ Self.isName($0[...]) }) ?? true
        else {
            throw HubError(
                .invalidName,
                "'\(text)' is no model of the Hub, expected OWNER/NAME, OWNER/NAME:Q4_K_M or OWNER/NAME@REVISION"
            )
        }
        (owner, name) = (String(path[0]), String(path[1]))
        self.tag = tag
        self.revision = revision
    }

    /// Whether a part of a name has only letters, digits, ".", "_" and "-", and could be no option and no way up.
    static func isName(_ part: Substring) -> Bool {
        guard let first = part.utf8.first, part.utf8.count <= 96, first != UInt8(ascii: "-"),
            first != UInt8(ascii: ".")
        else { return false }
        return part.unicodeScalars.allSatisfy {
            $0.isASCII
                && ($0.properties.isAlphabetic || ("0"..."9").contains($0)
                    || "._-".unicodeScalars.contains($0))
        }
    }
}
