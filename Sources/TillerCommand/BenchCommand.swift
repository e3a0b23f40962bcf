// SPDX-License-Identifier: Apache-2.0
// tiller bench: speed and memory of a model on this machine.

import ArgumentParser
import Evaluation
import JSON
import Terminal
import Tiller

struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measure prefill, decoding, loading and memory.")

    @Argument(help: "The model, a .tiller file.")
    var file: String

    @Option(help: "Tokens of the prefill; 0 skips it.")
    var promptTokens = 512

    @Option(help: "Tokens to decode; 0 skips it.")
    var generatedTokens = 128

    @Option(help: "Tokens in the cache before each measurement.")
    var depth = 0

    @Option(help: "Repetitions; medians are reported.")
    var repetitions = 5

    @Flag(help: "Print one JSON object.")
    var json = false

    @OptionGroup var steering: SteeringOptions
    @OptionGroup var engineOptions: EngineOptions

    func run() throws {
        var options = BenchmarkOptions()
        options.promptTokens = promptTokens
        options.generatedTokens = generatedTokens
        options.depth = depth
        options.repetitions = repetitions
        options.steering = try steering.parsed()
        let (engine, seconds) = try engineOptions.load(file)
        let benchmark = try Benchmark(engine: engine, loadSeconds: seconds, options: options)
        let bar = ProgressBar(label: "bench", total: repetitions)
        let result = try benchmark.run { done, _ in bar.update(done) }
        bar.finish()
        if json {
            print(JSON.object(result.json).serialized())
            return
        }
        print("model          \(engine.modelName), weights \(formatted(bytes: result.weightsByteCount))")
        print("kernels        \(result.kernels), \(result.threads) threads")
        if let speed = result.prefillTokensPerSecond {
            print("prefill \(promptTokens)    \(formatted(speed, digits: 1)) tokens/s")
        }
        if let speed = result.decodeTokensPerSecond {
            print("decode \(generatedTokens)     \(formatted(speed, digits: 1)) tokens/s")
        }
        print("first token    \(formatted(result.firstTokenMilliseconds, digits: 1)) ms after a prompt of 16")
        print("load           \(formatted(result.loadMilliseconds, digits: 1)) ms")
        print("peak memory    \(formatted(bytes: result.peakMemoryByteCount))")
    }
}
