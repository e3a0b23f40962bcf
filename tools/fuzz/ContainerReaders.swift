// SPDX-License-Identifier: Apache-2.0
// Tiller's own files. Their digests find damage, not forgery: whoever writes a file can write fitting ones. So inputs are
// sealed before they are read, and mutations go where a forger's would.

import Formats
import JSON
import Platform
import Signing
import Steering
import Tiller
import Tokenization

let containerReaders = [
    Reader(name: "tiller", seeds: { try modelSeeds().map(Parts.joined) }, run: readModel),
    Reader(name: "engine", seeds: { try modelSeeds().prefix(2).map(Parts.joined) }, run: readEngine),
    Reader(name: "profile", seeds: profileSeeds, run: readProfile),
    Reader(name: "tokenizer", seeds: { try smallVocabularies.map { try $0.build() } }) { bytes in
        try useTokenizer(ByteView(copying: bytes))
    },
    Reader(name: "signature", seeds: signatureSeeds) { bytes in
        let signature = try Signature(ByteView(copying: bytes))
        use(signature.message.count &+ signature.sections.count &+ (signature.isValid ? 1 : 0))
        use(try signature.encoded().count)
        use(SignatureFixture.model.judge(signature).missing.count)
        use(SignatureFixture.model.sections(coveredBy: signature).count)
    },
    Reader(name: "keys", seeds: keySeeds, run: readKeys),
    Reader(name: "bundle", seeds: bundleSeeds, run: readBundle),
    Reader(name: "session", seeds: { [SessionFixture.shared.bytes] }, run: readSession),
]

// MARK: - Models

/// A model as parts: the kind of file, then kind, flags and content of each section. Weights are zeros, as many as a
/// number of four bytes says.
func parts(_ raw: RawTiller) -> [[UInt8]] {
    [[UInt8(raw.fileKind)]]
        + raw.sections.map { section in
            let head = [UInt8(section.kind), UInt8(section.flags)]
            guard section.kind == SectionKind.weights.rawValue else { return head + section.bytes }
            return head + (0..<4).map { UInt8(truncatingIfNeeded: section.bytes.count >> (8 * $0)) }
        }
}

/// The file that such parts describe, with correct digests.
func sealed(_ parts: [[UInt8]]) -> [UInt8] {
    var raw = RawTiller(profileSection: [])
    raw.fileKind = UInt32(parts[0].first ?? 1)
    raw.sections = parts.dropFirst().filter { $0.count > 2 }.prefix(64).map { part in
        let kind = UInt32(part[0])
        let content = Array(part[2...])
        guard kind == SectionKind.weights.rawValue else {
            return RawTiller.Section(kind: kind, flags: UInt32(part[1]), bytes: content)
        }
        let count = max(content.prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) } & 0xFFFF, 1)
        return RawTiller.Section(
            kind: kind, flags: UInt32(part[1]), bytes: [UInt8](repeating: 0, count: count),
            listedDigest: digestOfZeros(count), isOnPage: true)
    }
    return raw.bytes
}

nonisolated(unsafe) private var zeroDigests: [Int: [UInt8]] = [:]
private func digestOfZeros(_ count: Int) -> [UInt8] {
    if let known = zeroDigests[count] { return known }
    let digest = SHA256.digest(of: [UInt8](repeating: 0, count: count)).bytes
    if zeroDigests.count < 1024 { zeroDigests[count] = digest }
    return digest
}

private func modelSeeds() throws -> [[[UInt8]]] {
    let tokenizer = try smallVocabularies[0].build()
    let template = "{% for m in messages %}{{ m.role }}: {{ m.content }}{% endfor %}"
    let profiles = [TinyModel.profile("a"), richProfile()]
    let plain = try TinyModel.bytes(tokenizer: tokenizer, chatTemplate: template, profiles: profiles)
    var scaling = HeadScaling(layerCount: TinyModel.configuration.layerCount)
    scaling.divide(layer: 1, by: (0..<TinyModel.configuration.keyValueSize).map { 0.5 + Float($0) / 7 })
    let rich = try TinyModel.bytes(
        tokenizer: tokenizer, chatTemplate: template, profiles: [TinyModel.profile("calm")],
        calibration: TinyModel.calibration, headScaling: scaling)
    var signed = parts(try RawTiller(plain))
    signed += try signatureSeeds().map { [UInt8(SectionKind.signature.rawValue), 0] + $0 }
    return [parts(try RawTiller(plain)), parts(try RawTiller(rich)), signed]
}

private func readModel(_ bytes: [UInt8]) throws {
    let bytes = sealed(Parts.split(bytes))
    use(try exerciseModel(bytes))
    let file = try TillerFile(bytes: ByteView(copying: bytes))
    use(file.computationDigest.bytes.count &+ file.weightsDigest.utf8.count &+ file.byteCount)
    for signature in file.signatures.map(\.signature) {
        use(file.judge(signature).added.count &+ (signature.isValid ? 1 : 0))
    }
    for stored in file.profiles {
        let profile = try stored.decoded()
        useProfile(profile, in: file)
        if (try? profile.checkShape(of: file.manifest.configuration)) != nil {
            let active = [ActiveProfile(profile: profile, strength: profile.recommendedStrength)]
            use(SteeringPlan(active: active, layerCount: profile.layerCount).conditions.count)
        }
    }
    if let tokenizer = file.tokenizerBytes { try useTokenizer(tokenizer) }
    if let template = file.chatTemplate { try useTemplate(template) }
}

/// Loads a model and computes with it.
private func readEngine(_ bytes: [UInt8]) throws {
    let path = "\(scratchFolder)/model.tiller"
    writeFile(sealed(Parts.split(bytes)), to: path)
    var options = Engine.Options()
    options.threads = 1
    let engine = try Engine(path: path, options: options)
    let session = try engine.makeSession(contextLength: 8)
    if let name = engine.profileNames.first { try session.steer([AppliedProfile(name, strength: 1)]) }
    try session.evaluate(Array(engine.encode("ab a").prefix(4)) + [1])
    use(session.currentLogits.count)
}

// MARK: - Profiles

/// Operations of every kind, gates and positions.
private func richProfile() -> SteeringProfile {
    func axis(_ index: Int) -> [Float] { (0..<32).map { $0 == index ? 1 : 0 } }
    let gate = SteeringProfile.Gate(layer: 0, vector: 1, .above, -0.25)
    var late = SteeringProfile.Operation(.scale, layer: 1, vector: 2, gate: gate)
    (late.firstPosition, late.endPosition) = (1, 100)
    var profile = TinyModel.profile("rich")
    profile.phase = .both
    profile.operations = [
        .init(.rotate(second: 1, target: nil), layer: 0, vector: 0),
        .init(.rotate(second: 2, target: -30.5), layer: 0, vector: 1, keepsNorm: true, gate: gate), late,
        .init(.add, site: .headOutputs, layer: 1, vector: 3, width: 32),
        .init(
            .projectOut, site: .headOutputs, layer: 1, vector: 3, width: 32,
            gate: .init(layer: 1, vector: 2, .below, 3, scope: .prompt)),
    ]
    profile.vectors = (0..<4).map(axis)
    return profile
}

private func profileSeeds() throws -> [[UInt8]] {
    let receipt = ProfileReceipt(body: [
        "version": .integer(ProfileReceipt.version), "demonstrated": true, "profile_sha256": "0",
        "weights_sha256": "0", "effect": ["mean": 0.5, "interval": [0.1, 0.9]],
    ])
    return try [TinyModel.profile("calm"), richProfile(), TinyModel.profile("calm").with(receipt)].map {
        Parts.joined([[2], [UInt8(SectionKind.steeringProfile.rawValue), 0] + (try $0.encoded())])
    }
}

private func readProfile(_ bytes: [UInt8]) throws {
    let bytes = sealed(Parts.split(bytes))
    let (profile, signatures) = try TillerProfileFile.content(of: ByteView(copying: bytes))
    use(signatures.count { $0.isValid })
    useProfile(profile, in: nil)
    use(try TillerProfileFile.bytes(of: profile, signatures: signatures).count)
}

/// Everything that lists, measures and exports profiles reads of one; receipts with a fitting seal, too.
private func useProfile(_ profile: SteeringProfile, in file: TillerFile?) {
    use(profile.operations.reduce(0) { $0 &+ profile.vector($1.vector, of: $1).count })
    use(profile.standing(in: file).label.utf8.count)
    if let body = profile.evaluation["receipt"]?.objectValue {
        use(profile.with(ProfileReceipt(body: body)).standing(in: file).label.utf8.count)
    }
    use((try? profile.substanceDigest())?.utf8.count ?? 0)
    use((try? ControlVector(profile: profile, strength: 1)).map { $0.directions.count } ?? 0)
}
