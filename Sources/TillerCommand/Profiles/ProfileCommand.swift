// SPDX-License-Identifier: Apache-2.0
// tiller profile: the steering profiles of a model file.

import ArgumentParser
import Commands
import Formats
import JSON
import Platform
import Steering
import Tiller

struct ProfileCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "profile", abstract: "Train, list, share and remove steering profiles.",
        subcommands: [
            ProfileTrainCommand.self, ProfileCalibrateCommand.self, ProfileGateCommand.self,
            ProfileEvaluateCommand.self, ProfileVerifyCommand.self, ProfileComposeCommand.self,
            ProfileListCommand.self, ProfileShowCommand.self, ProfileRemoveCommand.self,
            ProfileRenameCommand.self, ProfileExportCommand.self, ProfileImportCommand.self,
        ])
}

struct ProfileListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the profiles of a file.")

    @Argument(help: "The model, a .tiller file.") var file: String

    @Flag(help: "Print one JSON object.") var json = false

    func run() throws {
        let model = try openModelFile(file)
        let profiles = try model.profiles.map { try $0.decoded() }
        let signers = SignatureNames()
        let signatures = model.profiles.map { signers.text(of: $0, in: model) }
        if json {
            let list = zip(profiles, signatures).map { profile, signature in
                var object = profile.summary(in: model)
                object["signature"] = .string(signature)
                return JSON.object(object)
            }
            printLine(JSON.object(["profiles": .array(list)]).serialized())
            return
        }
        guard !profiles.isEmpty else {
            printLine(
                "no profiles; train one with: tiller profile train \(file.printableLine) --pairs PAIRS.jsonl --name NAME"
            )
            return
        }
        let width = profiles.map(\.name.count).max() ?? 0
        let layersWidth = profiles.map(\.layersText.count).max() ?? 0
        for (profile, signature) in zip(profiles, signatures) {
            let label = profile.standing(in: model).label
            let description = [profile.description.printableLine, label.isEmpty ? "" : "[\(label)]"]
                .filter { !$0.isEmpty }.joined(separator: " ")
            printLine(
                "\(profile.name.padded(to: width))  strength \("\(profile.recommendedStrength)".padded(to: 5)) "
                    + "layers \(profile.layersText.padded(to: layersWidth))  \(signature.printableLine)"
                    + (description.isEmpty ? "" : "  \(description)"))
        }
    }
}

struct ProfileShowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "Show one profile.")

    @Argument(help: "The model, a .tiller file.") var file: String
    @Argument(help: "The profile's name.") var name: String

    @Flag(help: "Print one JSON object.") var json = false

    func run() throws {
        let model = try openModelFile(file)
        let profile = try model.requireProfile(named: name)
        let signers = SignatureNames()
        let signature = model.profiles.first { $0.name == name }.map { signers.text(of: $0, in: model) } ?? ""
        if json {
            var object = profile.summary(in: model)
            object["signature"] = .string(signature)
            printLine(JSON.object(object).serialized())
            return
        }
        printLine("name         \(profile.name)")
        if !profile.description.isEmpty { printLine("description  \(profile.description.printableLine)") }
        printLine("method       \(profile.method.printableLine)")
        printLine(
            "operations   \(profile.operations.count) on layers \(profile.layersText), phase \(profile.phase.rawValue): "
                + profile.operationNames.joined(separator: ", "))
        for gate in Set(profile.operations.compactMap(\.gate)).sorted(by: { $0.layer < $1.layer }) {
            printLine("gate         \(gate.text)")
        }
        printLine(
            "strength     \(profile.recommendedStrength) recommended, \(profile.minimumStrength) … "
                + "\(profile.maximumStrength) safe")
        printLine(
            "fits         \(profile.layerCount) layers of width \(profile.hiddenSize), source \(profile.sourceHash)"
        )
        printLine("signature    \(signature.printableLine)")
        printLine("provenance   \(profile.provenance.serialized().printableLine)")
        printLine(
            "evaluation   \(profile.with(nil).evaluation.serialized().printableLine)")
        if case .void(let reason) = profile.standing(in: model) {
            printLine("receipt      void: \(reason.printableLine)")
        } else if let receipt = try ProfileReceipt(of: profile) {
            receipt.lines.forEach { printLine($0) }
        } else {
            printLine("receipt      none; 'tiller profile evaluate' makes one")
        }
    }
}

struct ProfileRemoveCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "remove", abstract: "Remove a profile.")

    @Argument(help: "The model, a .tiller file.") var file: String
    @Argument(help: "The profile's name.") var name: String

    func run() throws {
        try requireOwnModel(file)
        _ = try openModelFile(file).requireProfile(named: name)
        try TillerProfileStore.remove(name, in: file)
        printLine("removed '\(name)'; 'tiller compact' frees its space")
    }
}

struct ProfileRenameCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "rename", abstract: "Rename a profile.")

    @Argument(help: "The model, a .tiller file.") var file: String
    @Argument(help: "The profile's name.") var name: String
    @Argument(help: "Its new name.") var newName: String

    func run() throws {
        try requireValid(profileName: newName)
        try requireOwnModel(file)
        let model = try openModelFile(file)
        _ = try model.requireProfile(named: name)
        guard newName == name || !model.profiles.contains(where: { $0.name == newName }) else {
            throw TillerError.invalidProfile("there is already a profile '\(newName)'; remove it first")
        }
        try TillerProfileStore.rename(name, to: newName, in: file)
        printLine("renamed '\(name)' to '\(newName)'")
    }
}

/// Refuses names that are unsafe in a shell or a file system.
func requireValid(profileName name: String) throws(TillerError) {
    guard StoredProfile.isValidName(name) else {
        throw .invalidOption("'\(name)' is not a profile name, expected 1 to 64 of A-Z a-z 0-9 . _ -")
    }
}

extension TillerFile {
    /// Decodes the profile of this name.
    func requireProfile(named name: String) throws(TillerError) -> SteeringProfile {
        guard let entry = profiles.first(where: { $0.name == name }) else {
            let names = profiles.isEmpty ? "none" : profiles.map(\.name).joined(separator: ", ")
            throw .invalidProfile("there is no profile '\(name)' in this file; it has: \(names)")
        }
        do { return try entry.decoded() } catch { throw .invalidProfile("\(error)") }
    }
}

extension SteeringProfile {
    /// The steered layers, as in 10-18 or 3,7.
    var layersText: String {
        let layers = Set(operations.map(\.layer)).sorted()
        guard let first = layers.first, let last = layers.last else { return "none" }
        if layers.count > 2, layers.count == last - first + 1 { return "\(first)-\(last)" }
        return layers.map(String.init).joined(separator: ",")
    }

    /// The operations with their sites, without duplicates, such as "add at residual".
    var operationNames: [String] {
        var names: [String] = []
        for operation in operations {
            let name = "\(operation.kind.operation.displayName) at \(operation.site.rawValue)"
            if !names.contains(name) { names.append(name) }
        }
        return names
    }

    /// The summary for scripts.
    func summary(in model: TillerFile) -> JSON.Object {
        let standing = standing(in: model)
        return [
            "standing": .string(standing == .unproven ? "no receipt" : standing.label),
            "operations": .array(operationNames.map { .string($0) }),
            "is_gated": .bool(operations.contains { $0.gate != nil }),
            "name": .string(name), "description": .string(description), "method": .string(method),
            "layers": .array(Set(operations.map(\.layer)).sorted().map { .integer($0) }),
            "phase": .string(phase.rawValue), "recommended_strength": .number(Double(recommendedStrength)),
            "minimum_strength": .number(Double(minimumStrength)),
            "maximum_strength": .number(Double(maximumStrength)), "hidden_size": .integer(hiddenSize),
            "layer_count": .integer(layerCount), "source_sha256": .string(sourceHash.description),
            "provenance": provenance,
            "evaluation": evaluation,
        ]
    }
}

extension SteeringProfile.Gate {
    fileprivate var text: String {
        "vector \(vector) \(comparison.rawValue) \(threshold) after layer \(layer), "
            + (scope == .token ? "in each token" : "in the whole prompt")
    }
}
