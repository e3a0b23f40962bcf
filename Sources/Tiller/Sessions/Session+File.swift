// SPDX-License-Identifier: Apache-2.0
// Sessions that survive a restart of the program: keys and values are read back instead of computed, if nothing that they depend
// on has changed.

import Formats
import JSON
import Kernels
import Steering

/// The result of restoring a session file.
public enum SessionRestoration: Sendable, Equatable {
    /// The session continues with this many tokens.
    case restored(tokenCount: Int)
    /// The file belongs to another model or setting, which the string names; the session is unchanged.
    case other(String)
}

extension Session {
    /// Restores the state that `save` wrote, if model, steering, cache and program version equal those of this session: its
    /// tokens then need no evaluation. Set the steering first, and afterwards `advance` to the wanted tokens, which keeps the
    /// common prefix (a prefix cache).
    ///
    /// - Throws: `TillerError.invalidFile` for a corrupt file or one that is not a session file.
    /// - Precondition: the session is empty.
    @discardableResult
    public func restore(from path: String) throws(TillerError) -> SessionRestoration {
        try restore(openSessionFile(path), path: path)
    }

    /// Writes tokens, keys and values to a file. The file appears atomically and only its owner can read it.
    ///
    /// - Throws: `TillerError.invalidFile` if it cannot be written, `.invalidOption` for an empty session.
    public func save(to path: String) throws(TillerError) { try save(to: path, conversation: .null) }

    /// As `restore(from:)`, for an open file.
    package func restore(_ file: SessionFile, path: String) throws(TillerError) -> SessionRestoration {
        precondition(tokens.isEmpty, "Session: only an empty session takes a file over")
        let own = binding
        if file.binding != own { return .other(own.difference(from: file.binding)) }
        let count = file.tokens.count
        guard count <= contextLength else {
            return .other("\(count) tokens, more than the context of \(contextLength)")
        }
        func refuse(_ rule: FormatRule, _ found: String, _ expected: String) -> TillerError {
            .invalidFile("\(path): \(FormatError(rule, found: found, expected: expected))")
        }
        guard file.gates.count == plan.conditions.count,
            [false, true].contains(where: {
                file.state.count == state.snapshotByteCount(prefix: count, exponents: $0)
            })
        else {
            throw refuse(
                .sessionSize, "\(file.state.count) bytes of keys and values, \(file.gates.count) gates",
                "\(state.snapshotByteCount(prefix: count, exponents: false)) and \(plan.conditions.count)")
        }
        if let token = file.tokens.first(where: { Int($0) >= engine.vocabularySize }) {
            throw refuse(.sessionToken, "token \(token)", "ids below \(engine.vocabularySize)")
        }
        guard state.restore(prefix: count, from: file.state.bytes) else {
            throw refuse(.sessionNumbers, "keys or values that are not finite", "finite numbers")
        }
        gates?.restore(file.gates)
        adopt(tokens: file.tokens, isPromptToken: file.isPromptToken)
        return .restored(tokenCount: count)
    }

    /// As `save(to:)`, with the messages of a conversation.
    package func save(to path: String, conversation: JSON) throws(TillerError) {
        if cachedTokenCount < tokens.count { try catchUp { true } }
        let count = tokens.count
        guard count > 0 else { throw .invalidOption("there is nothing to save; evaluate a prompt first") }
        let byteCount = state.snapshotByteCount(prefix: count, exponents: state.hasExponents)
        do {
            try SessionFile.write(
                binding, conversation: conversation, tokens: tokens, isPromptToken: tokenPhases,
                gates: gates?.snapshot(prefix: count) ?? [], stateByteCount: byteCount, to: path
            ) { try state.readSnapshot(prefix: count, $0) }
        } catch { throw .invalidFile("\(error)") }
    }

    private var binding: SessionBinding {
        let configuration = engine.model.configuration
        return SessionBinding(
            model: engine.file.computationDigest, steering: steeringDigest,
            // Without the kernels: all instruction sets compute the same bits.
            computation: "tiller \(tillerVersion)" + (usesLongFactors ? ", long context" : ""),
            cacheEncoding: UInt32(CacheEncoding.allCases.firstIndex(of: state.encoding) ?? 0),
            layerCount: configuration.layerCount, keyValueHeadCount: configuration.keyValueHeadCount,
            headSize: configuration.headSize)
    }

    /// Whether keys are turned by LongRoPE's factors for long contexts, which those of a shorter context do not fit.
    private var usesLongFactors: Bool {
        guard case .longRoPE(let length, _) = engine.model.configuration.rotaries.first?.scaling else {
            return false
        }
        return state.capacity > length
    }

    /// A digest of the steering: the bytes and strength of each profile, in the order of application.
    private var steeringDigest: SHA256.Digest {
        var bytes: [UInt8] = []
        for steer in steering {
            guard let stored = engine.file.profiles.first(where: { $0.name == steer.name }) else { continue }
            let strength = steer.strength ?? (try? stored.decoded())?.recommendedStrength ?? 0
            bytes += stored.digest.bytes
            bytes += withUnsafeBytes(of: strength.bitPattern.littleEndian, Array.init)
        }
        return SHA256.digest(of: bytes)
    }
}

extension SessionBinding {
    /// Describes what differs from another file.
    fileprivate func difference(from other: SessionBinding) -> String {
        if model != other.model || layerCount != other.layerCount || headSize != other.headSize
            || keyValueHeadCount != other.keyValueHeadCount
        {
            return "another model"
        }
        if steering != other.steering { return "another steering" }
        if cacheEncoding != other.cacheEncoding { return "another --cache" }
        return "another computation (\(other.computation), here \(computation))"
    }
}

/// Opens a session file.
package func openSessionFile(_ path: String) throws(TillerError) -> SessionFile {
    do { return try SessionFile(path: path) } catch { throw .invalidFile("\(error)") }
}
