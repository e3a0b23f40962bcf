// SPDX-License-Identifier: Apache-2.0
// tiller profile export and import: profiles as files of their own, in our format or as GGUF control vectors.

import ArgumentParser
import Formats
import Platform
import Steering
import Tiller

struct ProfileExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Write a profile to a file of its own.",
        discussion: """
            OUTPUT ending in .gguf becomes a control vector for llama.cpp, with the strength multiplied in; \
            anything else becomes a .tillerprofile file.
            """)

    @Argument(help: "The model, a .tiller file.")
    var file: String
    @Argument(help: "The profile's name.")
    var name: String
    @Argument(help: "The file to write.")
    var output: String

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Strength of a control vector; the recommended one unless given.", valueName: "x"))
    var strength: Float?

    @Flag(help: "Overwrite the output.")
    var force = false

    func run() throws {
        let model = try openModelFile(file)
        let profile = try model.requireProfile(named: name)
        if let strength, !(abs(strength) <= Steer.largestStrength) {
            throw TillerError.invalidOption(
                "--strength is \(strength), expected a number of at most ±\(Int(Steer.largestStrength))")
        }
        try requireFree(output, force: force)
        if output.hasSuffix(".gguf") {
            let architecture = model.manifest.configuration.family.rawValue
            let vector = try ControlVector(
                profile: profile, strength: strength ?? profile.recommendedStrength)
            try vector.write(to: output, modelHint: architecture, replacing: force)
        } else {
            guard strength == nil else {
                throw TillerError.invalidOption(
                    "--strength belongs to control vectors; profiles keep theirs apart")
            }
            try TillerProfileFile.write(profile, to: output, replaceExisting: force)
        }
        printLine("exported '\(name)' to \(output)")
    }
}

struct ProfileImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Add a profile from a file: .tillerprofile, or a GGUF control vector.")

    @Argument(help: "The model, a .tiller file.")
    var file: String
    @Argument(help: "The profile's file.")
    var input: String

    @Option(
        help: ArgumentHelp(
            "The profile's name here; its own, or the file's, unless given.", valueName: "name"))
    var name: String?

    @Flag(
        help: "Accept a profile of another source model of the same shape, and replace one of the same name.")
    var force = false

    func run() throws {
        let model = try openModelFile(file)
        var profile = try read(for: model)
        if let name { profile.name = name }
        try requireValid(profileName: profile.name)
        guard force || !model.profiles.contains(where: { $0.name == profile.name }) else {
            throw TillerError.invalidProfile(
                "there is a profile '\(profile.name)' already; choose another --name, or --force to replace it"
            )
        }
        guard force || profile.sourceHash == model.manifest.source.sha256 else {
            throw TillerError.invalidProfile(
                "'\(profile.name)' was trained on another model (source \(profile.sourceHash.description.prefix(12))…, "
                    + "this one is \(model.manifest.source.sha256.description.prefix(12))…); "
                    + "--force imports it if the shapes fit")
        }
        try TillerProfileStore.add(profile, in: file, replacesExisting: force, acceptsOtherSource: force)
        printLine("imported '\(profile.name)'")
    }

    private func readProfileFile() throws -> SteeringProfile {
        do { return try TillerProfileFile.read(input) } catch let error as FormatError
            where error.rule == .tillerMagic
        {
            throw TillerError.invalidProfile(
                "\(input) holds no profile; expected a .tillerprofile file or a GGUF control vector (\(error.rule))"
            )
        }
    }

    private func read(for model: TillerFile) throws -> SteeringProfile {
        let mapped = try MappedFile(path: input)
        let isGGUF = withExtendedLifetime(mapped) { mapped.bytes.starts(with: "GGUF".utf8) }
        guard isGGUF else { return try readProfileFile() }
        let vector = try ControlVector(readingFrom: input)
        let fileName = input.split(separator: "/").last.map(String.init) ?? input
        return try vector.profile(
            named: name ?? String(fileName.prefix { $0 != "." }), configuration: model.manifest.configuration,
            sourceHash: model.manifest.source.sha256)
    }
}
