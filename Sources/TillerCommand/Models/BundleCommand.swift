// SPDX-License-Identifier: Apache-2.0
// tiller bundle and tiller unbundle: joins the small program and a model into one executable, and separates them again.

import ArgumentParser
import Commands
import Formats
import Glibc
import Platform
import Tiller

struct BundleCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bundle", abstract: "Combine a model and the program that runs it into one executable.",
        discussion: """
            The output runs on any Linux of this architecture. Without arguments it opens a chat; its commands are those \
            of tiller-run, and need no model file. 'tiller profile' adds and removes profiles as in a model file.
            """)

    @Argument(help: "The model: a .tiller file, or a GGUF file or model folder, which is converted once.")
    var file: String
    @Argument(help: "The executable to write.") var output: String

    @Option(
        help: ArgumentHelp(
            "Steer by this profile unless --steer says otherwise; several add up.",
            valueName: "name[=strength]"))
    var defaultSteer: [String] = []

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("The system message unless --system says otherwise.", valueName: "text"))
    var system: String?

    @Option(
        help: ArgumentHelp(
            "The program; by default tiller-run in this program's folder ('tools/build-static' makes one).",
            valueName: "path"))
    var runtime: String?

    @Flag(help: "Overwrite the output.") var force = false

    func run() throws {
        let model = try openModelFile(ModelCache.modelFile(for: file))
        let steering = try defaultSteer.map { try AppliedProfile(parsing: $0) }
        for steer in steering { _ = try model.requireProfile(named: steer.name) }
        let program = try MappedFile(path: runtime ?? Self.usualRuntime())
        let kind = OwnBundle.kind(of: program)
        guard kind != .other else {
            throw TillerError.invalidFile("\(program.path) is not a program to which a model can be appended")
        }
        try requireOutput(
            output, force: force, apartFrom: InputFile("the model", file),
            InputFile("the program", program.path))
        let settings = BundleSettings(
            steering: steering.map { .init(name: $0.name, strength: $0.strength) }, system: system)
        try Bundle.write(
            program: program, model: model, settings: settings, to: output, replaceExisting: force)
        printLine(
            "written   \(output.printableLine), \(formatted(bytes: program.bytes.count)) of program and "
                + "\(formatted(bytes: model.byteCount)) of model")
        if kind == .dynamic {
            printLine(
                "note      \(program.path.printableLine) needs shared libraries; tools/build-static makes one that needs none"
            )
        }
    }

    /// The `tiller-run` next to this program.
    private static func usualRuntime() throws(TillerError) -> String {
        let own = OwnExecutable.paths.first ?? ""
        let path = own.folderPart + "tiller-run"
        guard access(path, R_OK) == 0 else {
            throw .invalidFile(
                "there is no \(path); build it with tools/build-static, and name it with --runtime")
        }
        return path
    }
}

struct UnbundleCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unbundle", abstract: "Write the model of a bundle to a file of its own.",
        discussion: "The file equals the bundled model byte for byte, with the bundle's current profiles.")

    @Argument(help: "The bundle.") var bundle: String
    @Argument(help: "The model file to write.") var output: String

    @Flag(help: "Overwrite the output.") var force = false

    func run() throws {
        let model = try openModelFile(bundle)
        guard model.originByteOffset > 0 else {
            throw TillerError.invalidFile("\(bundle) is already a model file, expected a bundle")
        }
        try requireOutput(output, force: force, apartFrom: InputFile("the bundle", bundle))
        try Bundle.writeModel(model, to: output, replaceExisting: force)
        printLine("written   \(output.printableLine), \(formatted(bytes: model.byteCount))")
    }
}
