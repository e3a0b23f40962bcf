// SPDX-License-Identifier: Apache-2.0
// tiller profile export and import: profiles as separate files, in our format or as GGUF control vectors.

import ArgumentParser
import Commands
import Formats
import Platform
import Signing
import Steering
import Tiller

struct ProfileExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Write a profile to a file of its own.",
        discussion: """
            An output whose name ends in .gguf becomes a control vector for llama.cpp, multiplied by the strength; any \
            other becomes a .tillerprofile file.
            """)

    @Argument(help: "The model, a .tiller file.") var file: String
    @Argument(help: "The profile's name.") var name: String
    @Argument(help: "The file to write.") var output: String

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Strength of a control vector; the recommended one by default.", valueName: "x"))
    var strength: Float?

    @Option(help: ArgumentHelp("Sign it with this key, made by 'tiller keys new'.", valueName: "name"))
    var sign: String?

    @Flag(help: "Overwrite the output.") var force = false

    func run() throws {
        let model = try openModelFile(file)
        let profile = try model.requireProfile(named: name)
        let keys = KeyFolder.usual()
        let key = try sign.map { try keys.key(named: $0, warn: warn) }
        let names = SignatureNames()
        if let strength, !(abs(strength) <= AppliedProfile.largestStrength) {
            throw TillerError.invalidOption(
                "--strength is \(strength), expected a number of at most ±\(Int(AppliedProfile.largestStrength))"
            )
        }
        try requireOutput(
            output, force: force, apartFrom: InputFile("the model", file),
            InputFile("the key", sign.map { keys.secretPath(of: $0) }))
        var signatures: [Signature] = []
        if output.hasSuffix(".gguf") {
            guard key == nil else {
                throw TillerError.invalidOption(
                    "--sign is for .tillerprofile files; GGUF has no place for signatures")
            }
            let architecture = model.manifest.configuration.family
            let vector = try ControlVector(
                profile: profile, strength: strength ?? profile.recommendedStrength)
            try vector.write(to: output, modelHint: architecture, replacing: force)
        } else {
            guard strength == nil else {
                throw TillerError.invalidOption(
                    "--strength is for control vectors; .tillerprofile files store it separately")
            }
            // Signatures of others stay valid, since the section's bytes do not change.
            signatures = model.profiles.first { $0.name == name }.map(model.ownSignatures) ?? []
            if let key {
                signatures.removeAll { $0.publicKey == key.publicKey }
                signatures.append(
                    try key.sign([SignedSection(profile: try profile.encoded())], scope: .profile))
            }
            try TillerProfileFile.write(
                profile, signatures: signatures, to: output, replaceExisting: force)
        }
        let signers = signatures.map { "signed " + names.name($0) }
        printLine(
            "exported '\(name)' to \(output), \(signers.isEmpty ? "unsigned" : signers.joined(separator: ", "))"
                .printableLine
        )
    }
}

struct ProfileImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Add a profile from a file: .tillerprofile, or a GGUF control vector.")

    @Argument(help: "The model, a .tiller file.") var file: String
    @Argument(help: "The profile's file.") var input: String

    @Option(
        help: ArgumentHelp(
            "The profile's name here; by default its own, or the file's.", valueName: "name"))
    var name: String?

    @Flag(
        help: "Accept a profile of another source model of the same shape, and replace one of the same name.")
    var force = false

    func run() throws {
        try requireOwnModel(file)
        let names = SignatureNames()
        let model = try openModelFile(file)
        var (profile, signatures) = try read(for: model)
        if let name, name != profile.name {
            profile.name = name
            if !signatures.isEmpty {
                writeError("tiller: warning: under another name the profile does not match its signature")
            }
            signatures = []
        }
        // An invalid signature is worse than none.
        for signature in signatures { try signature.check() }
        try requireValid(profileName: profile.name)
        guard force || !model.profiles.contains(where: { $0.name == profile.name }) else {
            throw TillerError.invalidProfile(
                "there is already a profile '\(profile.name)'; choose another --name, or use --force to replace it"
            )
        }
        guard force || profile.sourceHash == model.manifest.source.sha256 else {
            throw TillerError.invalidProfile(
                "'\(profile.name)' was trained on another model (source \(profile.sourceHash.description.prefix(12))…, "
                    + "this one is \(model.manifest.source.sha256.description.prefix(12))…); "
                    + "--force imports it if the shapes fit")
        }
        if !force { try profile.checkHeadBasis(model.headScaling, isFromThere: false) }
        try TillerProfileStore.add(
            profile, signatures: signatures, in: file, replacesExisting: force, acceptsOtherSource: force)
        let signers = signatures.map { "signed " + names.name($0) }
        printLine(
            "imported '\(profile.name)', \(signers.isEmpty ? "unsigned" : signers.joined(separator: ", ").printableLine)"
        )
    }

    private func readProfileFile(_ mapped: MappedFile) throws -> (SteeringProfile, [Signature]) {
        do throws(FormatError) {
            return try TillerProfileFile.content(of: ByteView(mapped.bytes, owner: mapped))
        } catch {
            guard error.rule == .tillerMagic else { throw error }
            throw TillerError.invalidProfile(
                "\(input) holds no profile; expected a .tillerprofile file or a GGUF control vector (\(error.rule))"
            )
        }
    }

    private func read(for model: TillerFile) throws -> (SteeringProfile, [Signature]) {
        let mapped = try MappedFile(path: input)
        let isGGUF = withExtendedLifetime(mapped) { mapped.bytes.starts(with: "GGUF".utf8) }
        guard isGGUF else { return try readProfileFile(mapped) }
        let vector = try ControlVector(readingFrom: input)
        let profile = try vector.profile(
            named: name ?? String(input.fileName.prefix { $0 != "." }),
            configuration: model.manifest.configuration, sourceHash: model.manifest.source.sha256)
        return (profile, [])
    }
}
