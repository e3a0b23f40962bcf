// SPDX-License-Identifier: Apache-2.0
// Signatures and keys, bundles and sessions: what stands beside a model, before it, or remembers what it computed.

import Conversion
import Formats
import JSON
import Platform
import Signing
import Tiller
import Tokenization

// MARK: - Tokenizers

/// A vocabulary of each kind; the first fits the tiny model.
var smallVocabularies: [TokenizerBuilder] {
    var pieces = Vocabulary(
        kind: .sentencePieceBPE, texts: ["<unk>", "<s>", "</s>", "a", "b", "ab", "▁", "▁a", "[x]"],
        types: [.unknown, .control, .control] + [TokenType](repeating: .normal, count: 5) + [.userDefined])
    pieces.scores = (0..<9).map { -Float($0) }
    (pieces.unknown, pieces.beginOfSequence, pieces.endOfSequence) = (0, 1, 2)
    (pieces.endOfGeneration, pieces.addsBeginOfSequence, pieces.addsSpacePrefix) = ([2], true, true)

    let hexadecimal = Array("0123456789ABCDEF")
    let bytes = (0..<256).map { "<0x\(hexadecimal[$0 >> 4])\(hexadecimal[$0 & 15])>" }
    var characters = Vocabulary(
        kind: .characterBPE, texts: ["<unk>", "<s>", "[x]", "▁", "a", "b", "ab", "▁ab", "é"] + bytes,
        types: [.unknown, .control, .userDefined] + [TokenType](repeating: .normal, count: 6)
            + [TokenType](repeating: .byte, count: 256))
    characters.merges = [Merge(left: 4, right: 5), Merge(left: 3, right: 6)]
    (characters.unknown, characters.beginOfSequence, characters.usesUnknown) = (0, 1, true)
    characters.endOfGeneration = [1, 2]
    var rules = TokenizerRules()
    rules.normalizers = [.replace(" ", by: "▁"), .nfc]
    rules.preTokenizers = [.metaspace(mark: "▁", scheme: .first, splits: false)]
    rules.decoder.mark = "▁"
    rules.added = [AddedTokenRule(token: 2, flags: .stripsRight, normalizedText: "[x]")]
    characters.rules = rules

    var byteLevel = Vocabulary(
        kind: .byteLevelBPE, texts: ["a", "b", "ab", "Ġ", "Ġa", "<|end|>"],
        types: [TokenType](repeating: .normal, count: 5) + [.control])
    byteLevel.preTokenizer = .gpt2
    byteLevel.merges = [Merge(left: 0, right: 1), Merge(left: 3, right: 0)]
    byteLevel.endOfGeneration = [5]
    return [pieces, characters, byteLevel].map { TokenizerBuilder(vocabulary: $0) }
}

private let text =
    "The ferry\n\n\nleaves  at nine, doesn't it? 1234 渡し船は 🚢 <|im_start|>x[x] ab</s> \u{0}\u{FFFF}"
    + String(repeating: "ab ", count: 10) + String(repeating: " ", count: 20)

/// Opens a tokenizer's tables, and turns text into tokens and back.
func useTokenizer(_ section: ByteView) throws {
    let tokenizer = try Tokenizer(bytes: section.bytes, owner: section.owner)
    let tokens = tokenizer.encode(text, addSpecial: true, parseSpecial: true)
    use(tokenizer.encode(text, addSpecial: false, parseSpecial: false).count)
    use(tokenizer.decode(tokens + [-1, .max, .min], skipSpecial: false).count)
    var decoder = TokenDecoder(tokenizer)
    for token in tokens { use(decoder.append(token).utf8.count) }
    use(decoder.finish().utf8.count)
    for token in tokenizer.endOfGeneration { use(tokenizer.text(of: token).utf8.count) }
    use(tokenizer.specialToken("</s>").map { Int($0) } ?? 0)
}

// MARK: - Signatures and keys

enum SignatureFixture {
    static let model: TillerFile = {
        guard let bytes = try? TinyModel.bytes(), let file = try? TillerFile(bytes: ByteView(copying: bytes))
        else { fatalError("no tiny model") }
        return file
    }()
}

func signatureSeeds() throws -> [[UInt8]] {
    let key = SigningKey(name: "Ada")
    let profile = SignedSection(profile: try TinyModel.profile("calm").encoded())
    let old = Signature(
        signer: "Ada", publicKey: key.publicKey, digests: [TinyModel.sourceHash, SHA256.digest(of: [1])])
    return [
        try key.sign([profile], scope: .profile).encoded(),
        try key.sign(SignatureFixture.model.signableSections, scope: .file).encoded(),
        try key.sign(old).encoded(),
    ]
}

private let secretTitle = "tiller secret key 1\n"
private let publicTitle = "tiller public key 1\n"

func keySeeds() -> [[UInt8]] {
    let digits = String(repeating: "0123456789abcdef", count: 4)
    return [secretTitle, publicTitle].map { Array("\($0)\(digits)\n".utf8) }
}

func readKeys(_ bytes: [UInt8]) throws {
    let folder = KeyFolder(path: scratchFolder)
    for suffix in ["key", "pub"] { writeFile(bytes, to: "\(scratchFolder)/Ada.\(suffix)") }
    let contents = folder.contents()
    use(contents.entries.count &+ contents.warnings.reduce(0) { $0 &+ $1.utf8.count })
    if let key = try? folder.key(named: "Ada", warn: { use($0.utf8.count) }) { use(key.publicKey.count) }
    use(try folder.publicKey(named: "Ada").count)
}

// MARK: - Bundles

/// The fields of a seal from its version on, then the settings.
func bundleSeeds() -> [[UInt8]] {
    let settings =
        #"{"steering": [{"name": "calm", "strength": 0.5}, {"name": "bold"}], "system": "Be kind."}"#
    return [bundleSeed(settings: settings), bundleSeed(settings: "{}")]
}

private let program = [0x7F, 0x45, 0x4C, 0x46] + [UInt8](repeating: 7, count: 60)

private func bundleSeed(settings: String) -> [UInt8] {
    var raw = RawBytes()
    raw.u16(1)
    raw.u16(0)
    raw.u32(0)
    raw.u64(UInt64(program.count))
    raw.u64(UInt64(program.count))
    raw.u32(UInt32(settings.utf8.count))
    return raw.bytes + Array(settings.utf8)
}

private let bundledModel: [UInt8] = {
    guard let bytes = try? TinyModel.bytes() else { fatalError("no tiny model") }
    return bytes
}()

func readBundle(_ input: [UInt8]) throws {
    let fieldCount = 28
    guard input.count >= fieldCount else { return }
    let settings = Array(input[fieldCount...])
    // The seal holds for whatever settings its fields point to.
    var seal = [0x89] + Array("TILBOX\n".utf8) + input[..<fieldCount] + [UInt8](repeating: 0, count: 12)
    seal += SHA256.digest(of: program).bytes + [UInt8](repeating: 0, count: 16)
    var head = program + settings
    while (head.count + 128) % 4096 != 0 { head.append(0) }
    let count = min(seal[32..<36].reversed().reduce(0) { $0 << 8 | Int($1) }, head.count - program.count)
    seal += SHA256.digest(of: head[program.count..<program.count + count] + seal).bytes
    let file = try TillerFile(bytes: ByteView(copying: head + seal + bundledModel))
    guard let bundle = try Bundle(before: file) else { return }
    use(bundle.settings.steering.count &+ (bundle.settings.system?.utf8.count ?? 0))
    try bundle.verifyProgram()
}

// MARK: - Sessions

/// A small model that runs, and what a session of it wrote.
final class SessionFixture {
    nonisolated(unsafe) static let shared: SessionFixture = {
        do { return try SessionFixture() } catch { fatalError("no session: \(error)") }
    }()

    let engine: Engine
    var bytes: [UInt8]

    private init() throws {
        let model = "\(scratchFolder)/session.tiller"
        let converter = Converter(
            encodings: EncodingChoice(weights: .float32, head: .float32), replacesExisting: true,
            threadCount: 1,
            program: "fuzz")
        _ = try converter.convert("Tests/Fixtures/models/qwen2.gguf", to: model)
        var options = Engine.Options()
        options.threads = 1
        engine = try Engine(path: model, options: options)
        let session = try engine.makeSession(contextLength: 16)
        try session.evaluate([3, 5, 7])
        let path = "\(scratchFolder)/seed.session"
        try session.save(to: path, conversation: ["messages": [["role": "user", "content": "Hello"]]])
        let file = try MappedFile(path: path)
        bytes = Array(file.bytes)
    }
}

func readSession(_ input: [UInt8]) throws {
    var bytes = input
    if bytes.count >= 256 {
        bytes.replaceSubrange(224..<256, with: SHA256.digest(of: bytes[..<224] + bytes[256...]).bytes)
    }
    let file = try SessionFile(ByteView(copying: bytes))
    use(file.tokens.count &+ file.gates.count &+ file.state.count)
    let session = try SessionFixture.shared.engine.makeSession(contextLength: 16)
    switch try session.restore(file, path: "s") {
    case .restored(let count): use(count)
    case .other(let difference): use(difference.utf8.count)
    }
}
