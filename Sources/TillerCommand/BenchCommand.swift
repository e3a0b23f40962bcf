// SPDX-License-Identifier: Apache-2.0
// tiller bench: speed and memory of a model on this machine.

import ArgumentParser
import Evaluation
import JSON
import Kernels
import Terminal
import Tiller

struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measure prefill, decoding, loading and memory.",
        usage: "tiller bench [<options>] [<file>]",
        discussion: "Without a model: what the kernels reach, one by one, on matrices of 2048 columns.")

    @Argument(help: "The model, a .tiller file.")
    var file: String?

    @Option(parsing: .unconditional, help: ArgumentHelp("Tokens of the prefill; 0 skips it.", valueName: "n"))
    var promptTokens = 512

    @Option(parsing: .unconditional, help: ArgumentHelp("Tokens to decode; 0 skips it.", valueName: "n"))
    var generatedTokens = 128

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Tokens in the cache before each measurement.", valueName: "n"))
    var depth = 0

    @Option(parsing: .unconditional, help: ArgumentHelp("Repetitions; medians are reported.", valueName: "n"))
    var repetitions = 5

    @Flag(help: "Measure instead what each kind of steering costs, against the plain model by turns.")
    var operations = false

    @Flag(help: "Print one JSON object.")
    var json = false

    @OptionGroup(title: "Steering") var steering: SteeringOptions
    @OptionGroup(title: "Steering") var cap: DamageCapOptions
    @OptionGroup(title: "Machine") var engineOptions: EngineOptions

    func run() throws {
        try require(promptTokens, in: 0...1 << 18, option: "--prompt-tokens")
        try require(generatedTokens, in: 0...1 << 18, option: "--generated-tokens")
        try require(depth, in: 0...1 << 18, option: "--depth")
        try require(repetitions, in: 1...1000, option: "--repetitions")
        var options = BenchmarkOptions()
        options.promptTokens = promptTokens
        options.generatedTokens = generatedTokens
        options.depth = depth
        options.repetitions = repetitions
        options.steering = try steering.parsed()
        options.maximumDivergence = try cap.parsed()
        guard let file else { return try measureKernels() }
        let (engine, seconds) = try engineOptions.load(file)
        if operations { return try measureOperations(engine) }
        let benchmark = try Benchmark(engine: engine, loadSeconds: seconds, options: options)
        let bar = ProgressBar(label: "bench", total: repetitions)
        let result = try benchmark.run { done, _ in bar.update(done) }
        bar.finish()
        if json {
            printLine(JSON.object(result.json).serialized())
            return
        }
        printLine(
            "model          \(engine.modelName.printableLine), weights \(formatted(bytes: result.weightsByteCount))"
        )
        printLine("kernels        \(result.kernels), \(result.threads) threads")
        if let speed = result.prefillTokensPerSecond {
            printLine("\("prefill \(promptTokens)".padded(to: 14)) \(formatted(speed, digits: 1)) tokens/s")
        }
        if let speed = result.decodeTokensPerSecond, let share = result.bandwidthShare {
            printLine("\("decode \(generatedTokens)".padded(to: 14)) \(formatted(speed, digits: 1)) tokens/s")
            printLine(
                "reading        \(formatted(bytes: result.byteCountByToken)) by token, "
                    + "\(formatted(share * 100, digits: 0)) % of the \(gigabytes(result.readBandwidth)) of plain reading"
            )
        }
        printLine(
            "first token    \(formatted(result.firstTokenMilliseconds, digits: 1)) ms after a prompt of 16")
        printLine("load           \(formatted(result.loadMilliseconds, digits: 1)) ms")
        printLine(
            "peak memory    \(formatted(bytes: result.peakMemoryByteCount)), predicted "
                + formatted(bytes: result.predictedMemoryByteCount))
    }

    private func measureOperations(_ engine: Engine) throws {
        let bar = ProgressBar(label: "operations", total: 1)
        let costs = try OperationCostMeter(engine: engine, repetitions: repetitions).measure {
            bar.update($0, total: $1)
        }
        bar.finish()
        if json {
            printLine(JSON.object(["operations": .array(costs.map(\.json))]).serialized())
            return
        }
        printLine("cost of           decode   prefill")
        for cost in costs {
            let shares = [cost.decode, cost.prefill].map {
                ($0 < 0 ? "" : "+") + formatted($0 * 100, digits: 2) + " %"
            }
            printLine("\(cost.name.padded(to: 17)) \(shares[0].padded(to: 8)) \(shares[1])")
        }
    }

    private func measureKernels() throws {
        let (kernels, threads) = try engineOptions.kernelSetAndThreads()
        let speeds = KernelBenchmark(kernels: kernels, threadCount: threads)
        if json {
            var object = speeds.json
            object["kernels"] = .string(kernels.name)
            object["threads"] = .integer(threads)
            printLine(JSON.object(object).serialized())
            return
        }
        printLine("kernels                 \(kernels.name), \(threads) threads")
        printLine("plain reading           \(gigabytes(speeds.readBandwidth * 1e9))")
        printLine("int4 matrix × vector    \(gigabytes(speeds.int4VectorBandwidth * 1e9)) of weights")
        printLine("int8 matrix × vector    \(gigabytes(speeds.int8VectorBandwidth * 1e9)) of weights")
        printLine(
            "int4 matrix × 512       \(formatted(speeds.int4MatrixRate, digits: 1)) · 10⁹ multiply-adds/s")
        printLine(
            "int8 matrix × 512       \(formatted(speeds.int8MatrixRate, digits: 1)) · 10⁹ multiply-adds/s")
    }

    private func gigabytes(_ bytesBySecond: Double) -> String {
        "\(formatted(bytesBySecond / 1e9, digits: 1)) GB/s"
    }
}

extension KernelBenchmark {
    fileprivate var json: JSON.Object {
        [
            "read_gb_per_second": .number(readBandwidth),
            "int4_vector_gb_per_second": .number(int4VectorBandwidth),
            "int8_vector_gb_per_second": .number(int8VectorBandwidth),
            "int4_matrix_gmac_per_second": .number(int4MatrixRate),
            "int8_matrix_gmac_per_second": .number(int8MatrixRate),
        ]
    }
}
