// SPDX-License-Identifier: Apache-2.0
// The comparison of a signature with the current file (formats/signature.md §4): missing signed sections, and
// sections that were added later.

import Glibc
import Platform

/// A file compared with the content that one signer signed.
package struct SignatureJudgement: Sendable {
    /// Signed sections that are missing, in words.
    package let missing: [String]
    /// Signed sections that are present but that this version does not read: the model runs without them.
    package let unread: [String]
    /// Whether the signed sections are in their signed order.
    package let isInOrder: Bool
    /// Names of profiles that were added later. They act only if a user selects them.
    package let addedProfiles: [String]
    /// Sections of other kinds that were added later: they may change the model's computation or text.
    package let added: [SectionEntry]

    /// Whether the file is the signed one, with no additions except profiles.
    ///
    /// - Parameter others: sections that another trusted signature covers.
    package func holds(besides others: Set<SectionEntry> = []) -> Bool {
        problem(besides: others) == nil
    }

    /// The difference between the file and the signed content, in words; nil if there is none.
    package func problem(besides others: Set<SectionEntry> = []) -> String? {
        if let first = missing.first {
            return missing.count == 1
                ? "the signed section '\(first)' is missing or was replaced"
                : "\(missing.count) signed sections are missing or were replaced, the first is '\(first)'"
        }
        if let first = unread.first {
            return "the signed section '\(first)' is of a kind, or has flags, that this version does not read"
        }
        if !isInOrder { return "the signed sections are in another order" }
        return added.first { !others.contains($0) }.map {
            "the section '\($0.kind.name)' was added, and no known key signed it"
        }
    }
}

extension TillerFile {
    /// The sections that a signature of the whole file covers: all but free ones and signatures.
    package var signableSections: [SignedSection] { signableEntries.map { SignedSection($0) } }

    private var signableEntries: [SectionEntry] {
        container.entries.filter { $0.kind != .free && $0.kind != .signature }
    }

    /// The sections of this file that a signature covers.
    package func sections(coveredBy signature: Signature) -> Set<SectionEntry> {
        let signed = Set(signature.sections.map(\.digest))
        return Set(signableEntries.filter { signed.contains($0.digest) && signature.covers($0) })
    }

    /// Compares the file with the signed content, without verifying the signature.
    package func judge(_ signature: Signature) -> SignatureJudgement {
        let entries = signableEntries
        var places = Dictionary(grouping: entries.indices) { entries[$0].digest }
        var missing: [String] = [], found: [Int] = []
        for section in signature.sections {
            let place = places[section.digest]?.firstIndex { section.isSame(as: entries[$0]) }
            guard let place, let index = places[section.digest]?.remove(at: place) else {
                missing.append(section.name)
                continue
            }
            found.append(index)
        }
        let isSigned = Set(found)
        let rest =
            signature.scope == .profile ? [] : entries.indices.filter { !isSigned.contains($0) }
        let profileNames = Dictionary(uniqueKeysWithValues: profiles.map { ($0.entry, $0.name) })
        return SignatureJudgement(
            missing: missing,
            unread: found.map { entries[$0] }.filter { !$0.isUnderstood }.map(\.kind.name),
            isInOrder: signature.version == .digests || zip(found, found.dropFirst()).allSatisfy { $0 < $1 },
            addedProfiles: rest.compactMap { profileNames[entries[$0]] },
            added: rest.map { entries[$0] }.filter { profileNames[$0] == nil })
    }

    /// The signatures that cover a profile: its own, and those of the whole file.
    package func signatures(of profile: StoredProfile) -> [Signature] {
        signatures.map(\.signature).filter { $0.covers(profile.entry) }
    }

    /// The signatures of a profile alone, which are copied with it.
    package func ownSignatures(of profile: StoredProfile) -> [Signature] {
        signatures(of: profile).filter { $0.scope == .profile }
    }
}

extension TillerStore {
    /// Appends a signature of a whole file.
    ///
    /// Replaces earlier signatures by the same key, and drops those that no longer match the file.
    /// - Returns: the dropped signatures of other keys.
    /// - Throws: `FileError`, also if the file no longer matches the signed content; `FormatError`.
    package static func add(_ signature: Signature, in path: String) throws -> [Signature] {
        let bytes = try signature.encoded()
        var dropped: [Signature] = []
        try append(to: path) { file in
            let judgement = file.judge(signature)
            guard judgement.holds(), judgement.addedProfiles.isEmpty else {
                throw FileError(
                    path: path, operation: .write, code: EBUSY,
                    advice: "it was changed in the meantime; sign it again")
            }
            let replaced = file.signatures.filter {
                $0.signature.scope == .file
                    && ($0.signature.publicKey == signature.publicKey || !file.judge($0.signature).holds())
            }
            dropped = replaced.map(\.signature).filter { $0.publicKey != signature.publicKey }
            return Change(removed: replaced.map(\.entry), added: [(.signature, bytes)])
        }
        return dropped
    }
}
