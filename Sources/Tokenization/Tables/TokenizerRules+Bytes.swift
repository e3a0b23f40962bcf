// SPDX-License-Identifier: Apache-2.0
// The byte form of the rules in a section of version 2: records in the order of formats/tokenizer.md §3.3.

/// A record: its kind, a number, and up to two texts.
private struct RuleRecord {
    var code: UInt8
    var option: UInt8 = 0
    var first: [UInt8] = []
    var second: [UInt8] = []

    init(_ code: UInt8, option: UInt8 = 0, _ first: [UInt8] = [], _ second: [UInt8] = []) {
        self.code = code
        self.option = option
        self.first = first
        self.second = second
    }

    var bytes: [UInt8] {
        var bytes = [code, option]
        for count in [first.count, second.count] {
            bytes += [UInt8(truncatingIfNeeded: count), UInt8(truncatingIfNeeded: count >> 8)]
        }
        return bytes + first + second
    }
}

/// The numbers of records.
private enum RuleCode {
    static let forms: [(code: UInt8, step: NormalizerStep)] = [
        (1, .nfc), (2, .nfd), (3, .nfkc), (4, .nfkd), (5, .lowercase), (6, .stripAccents),
    ]
    static let strip: UInt8 = 7
    static let replace: UInt8 = 8
    static let prepend: UInt8 = 9
    static let split: UInt8 = 64
    static let splitText: UInt8 = 65
    static let metaspace: UInt8 = 66
    static let prefixSpace: UInt8 = 67
    static let mark: UInt8 = 128
    static let strippedSpaces: UInt8 = 129
    static let firstMarks: UInt8 = 130
    static let writtenBytes: UInt8 = 131
    static let added: UInt8 = 192
    static let normalizedAdded: UInt8 = 193
}

// MARK: - Writing

extension TokenizerRules {
    /// The bytes of the records.
    ///
    /// - Throws: `.rules` if a text is longer than 65,535 bytes.
    func bytes() throws(TokenizerError) -> [UInt8] {
        var bytes: [UInt8] = []
        for record in records {
            guard max(record.first.count, record.second.count) <= UInt16.max else {
                throw TokenizerError(
                    .rules, found: "\(max(record.first.count, record.second.count)) bytes",
                    expected: "at most \(UInt16.max)", at: "the text of a rule")
            }
            bytes += record.bytes
        }
        return bytes
    }

    private var records: [RuleRecord] {
        normalizers.map(\.record) + preTokenizers.map(\.record) + decoder.records + added.map(\.record)
    }
}

extension NormalizerStep {
    fileprivate var record: RuleRecord {
        switch self {
        case .strip(let left, let right):
            RuleRecord(RuleCode.strip, option: (left ? 1 : 0) + (right ? 2 : 0))
        case .replace(let text, let other):
            RuleRecord(RuleCode.replace, Array(text.utf8), Array(other.utf8))
        case .prepend(let text): RuleRecord(RuleCode.prepend, Array(text.utf8))
        default: RuleRecord(RuleCode.forms.first { $0.step == self }?.code ?? 0)
        }
    }
}

extension PreTokenizerStep {
    fileprivate var record: RuleRecord {
        switch self {
        case .split(let rule, let behavior):
            RuleRecord(RuleCode.split, option: behavior.byte, [rule.rawValue])
        case .splitText(let text, let behavior):
            RuleRecord(RuleCode.splitText, option: behavior.byte, Array(text.utf8))
        case .metaspace(let mark, let scheme, let splits):
            RuleRecord(
                RuleCode.metaspace, option: scheme.rawValue + (splits ? 4 : 0), Array(String(mark).utf8))
        case .prefixSpace: RuleRecord(RuleCode.prefixSpace)
        }
    }
}

extension SplitBehavior {
    fileprivate var byte: UInt8 { delimiter.rawValue + (isInverted ? 8 : 0) }

    fileprivate init?(byte: UInt8) {
        guard byte < 16, let delimiter = Delimiter(rawValue: byte & 7) else { return nil }
        self.init(delimiter, isInverted: byte & 8 != 0)
    }
}

extension DecoderRules {
    fileprivate var records: [RuleRecord] {
        var records: [RuleRecord] = []
        if let mark { records.append(RuleRecord(RuleCode.mark, Array(String(mark).utf8))) }
        if strippedSpaceCount > 0 {
            records.append(
                RuleRecord(RuleCode.strippedSpaces, option: UInt8(truncatingIfNeeded: strippedSpaceCount)))
        }
        if dropsFirstMarks { records.append(RuleRecord(RuleCode.firstMarks)) }
        if writesBytes { records.append(RuleRecord(RuleCode.writtenBytes)) }
        return records
    }
}

extension AddedTokenRule {
    fileprivate var record: RuleRecord {
        let id = (0..<4).map { UInt8(truncatingIfNeeded: token >> (8 * $0)) }
        guard let normalizedText else { return RuleRecord(RuleCode.added, option: flags.rawValue, id) }
        return RuleRecord(RuleCode.normalizedAdded, option: flags.rawValue, id, Array(normalizedText.utf8))
    }
}

// MARK: - Reading

extension TokenizerRules {
    /// Reads records.
    ///
    /// - Throws: `.rules` for a record that is truncated, out of order or unknown.
    init(_ bytes: [UInt8], tokenCount: Int) throws(TokenizerError) {
        var position = 0
        var group: UInt8 = 0
        while position < bytes.count {
            let place = "the record at byte \(position) of the rules"
            guard position + 6 <= bytes.count else {
                throw TokenizerError(.rules, found: "cut off", expected: "six bytes or more", at: place)
            }
            let counts = [2, 4].map { Int(bytes[position + $0]) | Int(bytes[position + $0 + 1]) << 8 }
            let middle = position + 6 + counts[0]
            let end = middle + counts[1]
            guard end <= bytes.count else {
                throw TokenizerError(
                    .rules, found: "\(end - position) bytes",
                    expected: "at most \(bytes.count - position)", at: place)
            }
            let record = RuleRecord(
                bytes[position], option: bytes[position + 1], Array(bytes[position + 6..<middle]),
                Array(bytes[middle..<end]))
            guard record.code >> 6 >= group, add(record, tokenCount: tokenCount) else {
                throw TokenizerError(
                    .rules, found: "\(record.code), \(record.option)",
                    expected: "a known rule, in the order of the page", at: place)
            }
            group = record.code >> 6
            position = end
        }
    }

    /// Adds a record; false if it is invalid.
    private mutating func add(_ record: RuleRecord, tokenCount: Int) -> Bool {
        switch record.code >> 6 {
        case 0:
            guard let step = NormalizerStep(record) else { return false }
            normalizers.append(step)
        case 1:
            guard let step = PreTokenizerStep(record) else { return false }
            preTokenizers.append(step)
        case 2: return decoder.add(record)
        default:
            guard let rule = AddedTokenRule(record, tokenCount: tokenCount) else { return false }
            added.append(rule)
        }
        return true
    }
}

extension RuleRecord {
    /// The texts, if their number is as expected and they are valid UTF-8.
    fileprivate func texts(_ count: Int) -> [String]? {
        guard count == 2 || second.isEmpty, count > 0 || first.isEmpty else { return nil }
        let texts = [first, second].prefix(count).compactMap { String(validating: $0, as: UTF8.self) }
        return texts.count == count ? texts : nil
    }

    /// The character, if the record has one text of one character.
    fileprivate var character: Unicode.Scalar? {
        guard let texts = texts(1), texts[0].unicodeScalars.count == 1 else { return nil }
        return texts[0].unicodeScalars.first
    }
}

extension NormalizerStep {
    fileprivate init?(_ record: RuleRecord) {
        if let form = RuleCode.forms.first(where: { $0.code == record.code }) {
            guard record.option == 0, record.texts(0) != nil else { return nil }
            self = form.step
            return
        }
        switch record.code {
        case RuleCode.strip:
            guard record.option < 4, record.texts(0) != nil else { return nil }
            self = .strip(left: record.option & 1 != 0, right: record.option & 2 != 0)
        case RuleCode.replace:
            guard record.option == 0, let texts = record.texts(2), !texts[0].isEmpty else { return nil }
            self = .replace(texts[0], by: texts[1])
        case RuleCode.prepend:
            guard record.option == 0, let texts = record.texts(1) else { return nil }
            self = .prepend(texts[0])
        default: return nil
        }
    }
}

extension PreTokenizerStep {
    fileprivate init?(_ record: RuleRecord) {
        switch record.code {
        case RuleCode.split:
            guard let behavior = SplitBehavior(byte: record.option), record.second.isEmpty,
                record.first.count == 1, let rule = SplitRule(rawValue: record.first[0])
            else { return nil }
            self = .split(rule, behavior)
        case RuleCode.splitText:
            guard let behavior = SplitBehavior(byte: record.option), let texts = record.texts(1),
                !texts[0].isEmpty
            else { return nil }
            self = .splitText(texts[0], behavior)
        case RuleCode.metaspace:
            guard record.option < 8, let scheme = PrependScheme(rawValue: record.option & 3),
                let mark = record.character
            else { return nil }
            self = .metaspace(mark: mark, scheme: scheme, splits: record.option & 4 != 0)
        case RuleCode.prefixSpace:
            guard record.option == 0, record.texts(0) != nil else { return nil }
            self = .prefixSpace
        default: return nil
        }
    }
}

extension DecoderRules {
    fileprivate mutating func add(_ record: RuleRecord) -> Bool {
        switch record.code {
        case RuleCode.mark where record.option == 0 && mark == nil:
            mark = record.character
            return mark != nil
        case RuleCode.strippedSpaces where record.option > 0 && strippedSpaceCount == 0:
            strippedSpaceCount = Int(record.option)
            return record.texts(0) != nil
        case RuleCode.firstMarks where record.option == 0:
            dropsFirstMarks = true
            return record.texts(0) != nil
        case RuleCode.writtenBytes where record.option == 0:
            writesBytes = true
            return record.texts(0) != nil
        default: return false
        }
    }
}

extension AddedTokenRule {
    fileprivate init?(_ record: RuleRecord, tokenCount: Int) {
        guard record.first.count == 4 else { return nil }
        let token = record.first.enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) }
        guard token < tokenCount, Flags.known.isSuperset(of: Flags(rawValue: record.option)) else {
            return nil
        }
        self.init(token: Int32(token), flags: Flags(rawValue: record.option))
        switch record.code {
        case RuleCode.added:
            guard record.second.isEmpty else { return nil }
        case RuleCode.normalizedAdded:
            guard !record.second.isEmpty, let text = String(validating: record.second, as: UTF8.self) else {
                return nil
            }
            normalizedText = text
        default: return nil
        }
    }
}
