// SPDX-License-Identifier: Apache-2.0
// Describes signatures for people: the signer, the signed parts, and whether the file still matches.

import Commands
import Formats
import JSON
import Platform
import Signing
import Steering
import Tiller

/// Prints a warning to standard error.
func warn(_ text: String) { writeError("tiller: warning: \(text.printableLine)") }

/// Names of the known keys. Created before anything is changed or written, so that an unreadable folder of keys leaves no
/// work half done.
struct SignatureNames {
    private let known: [KeyFolder.Entry]

    /// Reads the folder of keys; warns about files in it that are not keys.
    init() {
        let contents = KeyFolder.usual().contents()
        contents.warnings.forEach(warn)
        known = contents.entries
    }

    /// The signer: the name of a known key, or the name that the signature claims.
    func name(_ signature: Signature) -> String {
        guard signature.isValid else { return "invalidly, in the name of '\(signature.signer)'" }
        guard let name = knownName(signature) else {
            let key = signature.publicKey.hexadecimal
            return "by unknown key \(key.prefix(16))…, which calls itself '\(signature.signer)'"
        }
        return "by '\(name)'"
    }

    private func knownName(_ signature: Signature) -> String? {
        known.first { $0.publicKey == signature.publicKey }?.name
    }

    /// The signers of a profile in a file, by its own signatures and those of the whole file.
    func text(of profile: StoredProfile, in file: TillerFile) -> String {
        let found = file.signatures(of: profile)
        return found.isEmpty ? "unsigned" : "signed " + found.map(name).joined(separator: ", ")
    }

    // MARK: - Whole files

    /// Makes a check that reports a file's signatures. If a signer is named, its key must have signed the file.
    /// - Throws: `TillerError.invalidFile` where no such key is known.
    static func check(signer: String?) throws -> SignatureCheck {
        let key = try signer.map { try KeyFolder.usual().required($0) }
        let names = SignatureNames()
        return { names.report($0, signedBy: key) }
    }

    /// The report on a file's signatures, with the refusal if there is one.
    ///
    /// - Parameter required: the key that must have signed the file; nil accepts any or none.
    func report(_ file: TillerFile, signedBy required: KeyFolder.Entry? = nil) -> SignatureReport {
        let all = file.signatures.map(\.signature).map { (signature: $0, judgement: file.judge($0)) }
        var lines: [String] = [], list: [JSON] = [], refusal: String?
        for (signature, judgement) in all {
            let others = sectionsOfKnownSigners(in: file, besides: signature)
            let problem =
                signature.isValid
                ? judgement.problem(besides: others)
                : "a signature is not valid; the file was changed without the signer's key"
            if let problem, refusal == nil {
                refusal = signature.isValid ? "signed \(name(signature)), but \(problem)" : problem
            }
            lines.append(line(signature, judgement, problem, in: file))
            list.append(json(signature, judgement, problem))
        }
        if let required, refusal == nil {
            refusal = refusalOf(all, requiring: required)
        }
        return SignatureReport(
            lines: lines.isEmpty ? ["unsigned"] : lines, json: .array(list), refusal: refusal)
    }

    /// Why a key's signature does not cover a file. Only this key counts for everything except added profiles.
    private func refusalOf(
        _ all: [(signature: Signature, judgement: SignatureJudgement)], requiring key: KeyFolder.Entry
    ) -> String? {
        let own = all.filter { $0.signature.publicKey == key.publicKey && $0.signature.scope == .file }
        if own.contains(where: { $0.signature.isValid && $0.judgement.holds() }) { return nil }
        return own.first?.judgement.problem().map { "signed by '\(key.name)', but \($0)" }
            ?? (all.isEmpty ? "unsigned, expected" : "not signed as a whole by '\(key.name)', expected")
            + " a signature by '\(key.name)'"
    }

    /// Sections that are signed by keys with a name here.
    private func sectionsOfKnownSigners(in file: TillerFile, besides one: Signature) -> Set<SectionEntry> {
        file.signatures.map(\.signature).reduce(into: []) { sections, signature in
            guard signature != one, signature.scope == .file, signature.isValid,
                knownName(signature) != nil
            else { return }
            sections.formUnion(file.sections(coveredBy: signature))
        }
    }

    private func line(
        _ signature: Signature, _ judgement: SignatureJudgement, _ problem: String?, in file: TillerFile
    ) -> String {
        var line = "signed \(name(signature))"
        if let date = signature.date {
            line += " on \(WallClock.isoDate(secondsSince1970: date).prefix(10))"
        } else {
            line += " in version 1, which does not cover the kinds of sections; have it signed again"
        }
        if signature.scope == .profile {
            let profile = file.profiles.first { file.ownSignatures(of: $0).contains(signature) }
            line += profile.map { ": profile '\($0.name)'" } ?? ": a profile that was removed"
        }
        if !judgement.addedProfiles.isEmpty {
            line +=
                "; added since: "
                + judgement.addedProfiles.map { "profile '\($0)'" }.joined(separator: ", ")
        }
        return line + (problem.map { "; \($0)" } ?? "")
    }

    private func json(
        _ signature: Signature, _ judgement: SignatureJudgement, _ problem: String?
    ) -> JSON {
        let added =
            judgement.addedProfiles.map { "profile '\($0)'" } + judgement.added.map(\.kind.name)
        return [
            "signer": .string(signature.signer), "public_key": .string(signature.publicKey.hexadecimal),
            "known_as": knownName(signature).map { JSON.string($0) } ?? .null,
            "version": .integer(Int(signature.version.rawValue)),
            "scope": .string(signature.scope == .file ? "file" : "profile"),
            "date": signature.date.map { JSON.string(WallClock.isoDate(secondsSince1970: $0)) } ?? .null,
            "valid": .bool(problem == nil), "problem": problem.map { JSON.string($0) } ?? .null,
            "sections": .integer(signature.sections.count), "added": .array(added.map { .string($0) }),
            "missing": .integer(judgement.missing.count),
        ]
    }
}

/// For commands that require a signer.
extension KeyFolder {
    /// The key that an option names.
    /// - Throws: `TillerError.invalidFile` if no such public key can be read.
    func required(_ name: String) throws(TillerError) -> Entry {
        do {
            return Entry(name: name, publicKey: try publicKey(named: name), hasSecret: false)
        } catch { throw .invalidFile("no public key '\(name)' is known: \(error)") }
    }
}
