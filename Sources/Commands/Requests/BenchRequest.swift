// SPDX-License-Identifier: Apache-2.0
// The `bench` command: speed and memory of a model on this machine.

import Evaluation
import JSON
import Kernels
import Terminal
import Tiller

/// The options of `bench`.
package struct BenchRequest: CommandRequest {
    /// Nil measures only the kernels.
    private var file: String?
    private var benchmark = BenchmarkOptions()
    /// Measures the run time of each steering operation instead.
    private var measuresOperations = false
    private var printsJSON = false
    private var steering = SteeringChoice()
    private var engine = EngineSettings()

    package init() {}

    package static let summary = CommandSummary(
        name: "bench", abstract: "Measure prefill, decoding, loading and memory.",
        discussion:
            "Without a model, each kernel is measured alone, on matrices of 2048 columns. With --steer all gates are "
            + "open, so that the times include the most that a profile can cost.")

    package static var sections: [OptionSection<Self>] {
        [OptionSection(\.steering), OptionSection(\.engine), OptionSection()]
    }

    package static let options: [CommandOption<Self>] = [
        .file(\.file),
        .value("prompt-tokens", "n", "Prompt tokens to prefill; 0 skips it.", \.benchmark.promptTokens),
        .value("generated-tokens", "n", "Tokens to decode; 0 skips it.", \.benchmark.generatedTokens),
        .value("depth", "n", "Tokens in the cache before each measurement.", \.benchmark.depth),
        .value("repetitions", "n", "Repetitions; medians are reported.", \.benchmark.repetitions),
        .flag(
            "operations",
            "Instead, measure the cost of each kind of steering, in turns with the plain model.",
            \.measuresOperations),
        .flag("json", "Print one JSON object.", \.printsJSON),
    ]

    package func check() throws { try steering.check() }

    /// Measures and prints.
    package func run(_ signatures: SignatureChecks?) throws {
        var options = benchmark
        options.steering = steering.profiles
        options.maximumDivergence = steering.maximumDivergence
        try require(options.promptTokens, in: 0...1 << 18, option: "--prompt-tokens")
        try require(options.generatedTokens, in: 0...1 << 18, option: "--generated-tokens")
        try require(options.depth, in: 0...1 << 18, option: "--depth")
        try require(options.repetitions, in: 1...1000, option: "--repetitions")
        guard let file else { return try measureKernels() }
        let (engine, seconds) = try engine.load(file)
        if measuresOperations { return try measureOperations(engine) }
        let benchmark = try Benchmark(engine: engine, loadSeconds: seconds, options: options)
        let bar = ProgressBar(label: "bench", total: options.repetitions)
        let result = try benchmark.run { done, _ in bar.update(done) }
        bar.finish()
        if printsJSON {
            printLine(JSON.object(result.json).serialized())
            return
        }
        printLine(
            "model          \(engine.modelName.printableLine), weights \(formatted(bytes: result.weightsByteCount))"
        )
        printLine("kernels        \(result.kernels), \(result.threads) threads")
        if let speed = result.prefillTokensPerSecond {
            printLine(
                "\("prefill \(options.promptTokens)".padded(to: 14)) \(formatted(speed, digits: 1)) tokens/s")
        }
        if let speed = result.decodeTokensPerSecond, let share = result.bandwidthShare {
            printLine(
                "\("decode \(options.generatedTokens)".padded(to: 14)) \(formatted(speed, digits: 1)) tokens/s"
            )
            printLine(
                "reading        \(formatted(bytes: result.byteCountPerToken)) per token, "
                    + "\(formatted(share * 100, digits: 0)) % of the memory bandwidth, \(gigabytes(result.readBandwidth))"
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
        let costs = try OperationCostMeter(engine: engine, repetitions: benchmark.repetitions).measure {
            bar.update($0, total: $1)
        }
        bar.finish()
        if printsJSON {
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
        let (kernels, threads) = try engine.kernelSetAndThreads()
        let speeds = try KernelBenchmark(kernels: kernels, threadCount: threads)
        if printsJSON {
            var object = speeds.json
            object["kernels"] = .string(kernels.name)
            object["threads"] = .integer(threads)
            printLine(JSON.object(object).serialized())
            return
        }
        printLine("kernels                 \(kernels.name), \(threads) threads")
        printLine("memory bandwidth        \(gigabytes(speeds.readBandwidth * 1e9))")
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
