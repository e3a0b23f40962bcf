// SPDX-License-Identifier: Apache-2.0
// The options of the commands that both programs have: their names and what --help says of them.

import Kernels
import Tiller

/// One option, flag or argument of a command line.
package struct OptionDeclaration: Sendable {
    /// Without dashes.
    package let name: String
    /// What stands for the value; nil for a flag.
    package let valueName: String?
    package let help: String
    /// Values that are accepted; empty where any may be.
    package let choices: [String]
    /// What holds unless given, as --help shows it.
    package let usualValue: String?
    package let isRequired: Bool

    package init(
        _ name: String, _ valueName: String? = nil, _ help: String, choices: [String] = [],
        usual: String? = nil, isRequired: Bool = false
    ) {
        self.name = name
        self.valueName = valueName
        self.help = help
        self.choices = choices
        usualValue = usual
        self.isRequired = isRequired
    }
}

// What runs.
extension OptionDeclaration {
    package static let file = Self("file", nil, "The model, a .tiller file.")
    package static let model = Self("model", "file", "Another model than the one in this program.")
    package static let prompt = Self(
        "prompt", "text", "The text to continue; '-' reads standard input.", isRequired: true)
    package static let chat = Self(
        "chat", nil, "Treat the prompt as a user's message in the model's chat format.")
    package static let generateSystem = Self("system", "text", "A system message; implies --chat.")
    package static let chatSystem = Self("system", "text", "A system message.")
    package static let generatedTokens = Self("max-tokens", "n", "The most tokens to generate.", usual: "256")
    package static let answerTokens = Self("max-tokens", "n", "The most tokens of an answer.", usual: "1024")
    package static let stop = Self(
        "stop", "text", "Stop before this text or special token; may be given several times.")
    package static let generateContext = Self(
        "context", "n", "Tokens of prompt and answer together; 2048 unless given.")
    package static let chatContext = Self(
        "context", "n", "Tokens of the whole conversation; 4096 unless given.")
    package static let special = Self(
        "special", nil, "Let special tokens written out in the prompt act as such.")
    package static let logprobs = Self("logprobs", nil, "Report ln P of each token; needs --json.")
    package static let generateJSON = Self("json", nil, "Print one JSON object instead of streaming text.")
    package static let generateSession = Self(
        "session", "file", "Keep what was computed in this file, and use it where it still holds.")
    package static let chatSession = Self(
        "session", "file", "Keep the conversation, and what was computed for it, in this file.")
    package static let overcommit = Self("overcommit", nil, "Run also where memory will not suffice.")
    package static let json = Self("json", nil, "Print one JSON object.")
    package static let signedBy = Self(
        "signed-by", "name",
        "Refuse the file unless this key signed it, NAME.pub in the folder of keys; 'tiller' alone can tell.")
    package static let requireSignedBy = Self(
        "require-signed-by", "name",
        "Run the file only if this key signed it and every byte is as signed; 'tiller' alone can tell.")
    package static let inspectContext = Self(
        "context", "n", "Tokens of context for the prediction of memory.", usual: "2048")
    package static let tensors = Self("tensors", nil, "Also list every tensor.")
}

// What is measured.
extension OptionDeclaration {
    package static let benchPromptTokens = Self(
        "prompt-tokens", "n", "Tokens of the prefill; 0 skips it.", usual: "512")
    package static let benchGeneratedTokens = Self(
        "generated-tokens", "n", "Tokens to decode; 0 skips it.", usual: "128")
    package static let depth = Self("depth", "n", "Tokens in the cache before each measurement.", usual: "0")
    package static let repetitions = Self(
        "repetitions", "n", "Repetitions; medians are reported.", usual: "5")
    package static let operations = Self(
        "operations", nil,
        "Measure instead what each kind of steering costs, against the plain model by turns.")
}

// Sampling, steering, the machine.
extension OptionDeclaration {
    package static let sampling: [OptionDeclaration] = [
        temperature, topK, topP, minP, repetitionPenalty, presencePenalty, frequencyPenalty, logitBias, seed,
    ]
    package static let machine: [OptionDeclaration] = [threads, kernels, cache, resident]

    package static let temperature = Self(
        "temperature", "t", "Randomness; 0 always takes the most likely token.",
        usual: "\(SamplingOptions().temperature)")
    package static let topK = Self(
        "top-k", "k", "Keep the k most likely tokens; 0 keeps all.", usual: "\(SamplingOptions().topK)")
    package static let topP = Self(
        "top-p", "p", "Of what top-k and min-p leave, keep the most likely tokens up to this share.",
        usual: "\(SamplingOptions().topP)")
    package static let minP = Self(
        "min-p", "p", "Keep tokens at least this likely relative to the best; cuts before top-p.",
        usual: "\(SamplingOptions().minP)")
    package static let repetitionPenalty = Self(
        "repetition-penalty", "x",
        "Divide the logits of recent tokens, before the other penalties; 1 is off.", usual: "1.0")
    package static let presencePenalty = Self(
        "presence-penalty", "x", "Subtract from the logits of recent tokens.", usual: "0.0")
    package static let frequencyPenalty = Self(
        "frequency-penalty", "x", "Subtract from recent tokens' logits for each occurrence.", usual: "0.0")
    package static let logitBias = Self(
        "logit-bias", "token=bias", "Add to the logit of a token id, after the penalties.")
    package static let seed = Self("seed", "n", "The same seed repeats the same text.")
    package static let steer = Self(
        "steer", "name[=strength]",
        "Apply a profile, at its recommended strength unless given; several add up.")
    package static let maximumDivergence = Self(
        "max-divergence", "nats",
        "The most that steering may move the distribution of each token, as KL in nats; 0 leaves the unsteered text."
    )
    package static let steering: [OptionDeclaration] = [steer, maximumDivergence]
    package static let threads = Self(
        "threads", "n", "Threads; the physical cores allowed to the process unless given.")
    package static let kernels = Self(
        "kernels", "name",
        "Instruction set, one of \(KernelSet.allNames.joined(separator: ", ")); the best one unless given.")
    package static let cache = Self(
        "cache", "type", "Cache of keys and values; int8, or f32 for a model of f32 weights, unless given.",
        choices: Engine.CacheType.allCases.map(\.rawValue))
    package static let resident = Self(
        "resident", "mb",
        "MB of the weights that may be in memory at once; layers beyond are mapped only while they are read. All unless given."
    )
}

/// What --help says of a command, apart from its options.
package struct CommandText: Sendable {
    package let name: String
    package let abstract: String
    package let discussion: String

    package static let chat = CommandText(
        name: "chat", abstract: "Chat with a model; /help lists what can be typed.",
        discussion: """
            Ctrl-C stops an answer, Ctrl-D ends the chat. Lines can also come through a pipe, one message or \
            command each; the first that fails ends the chat then. A message that begins with a slash is written \
            with two, or after a space.
            """)
    package static let generate = CommandText(
        name: "generate", abstract: "Continue a prompt, or answer it.",
        discussion: """
            The text streams to standard output. With --chat the prompt is a message in the model's own chat \
            format; a model that has none is prompted as a dialogue of User and Assistant.
            """)
    package static let inspect = CommandText(
        name: "inspect", abstract: "Show what is in a file, and the memory it will need.", discussion: "")
    package static let verify = CommandText(
        name: "verify", abstract: "Check every byte of a file against its checksums.", discussion: "")
    package static let bench = CommandText(
        name: "bench", abstract: "Measure prefill, decoding, loading and memory.",
        discussion:
            "Without a model: what the kernels reach, one by one, on matrices of 2048 columns. With --steer all gates "
            + "are open: what is timed is the most that a profile costs.")
}
