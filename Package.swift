// swift-tools-version: 6.1
// SPDX-License-Identifier: Apache-2.0
// Modules are layers: a target may only depend on targets above it in this list.
import PackageDescription

/// Kernels are compiled once for each CPU family. Checks on indices are off there, and only there:
/// `Kernels` validates every size before it calls them. The extensions are those that `CPUFeatures` looks for.
/// Modules for the other architecture are empty. The manifest only knows the machine that builds, so Tiller is built
/// where it will run.
func instructionSetFlags(x86: [String] = [], arm: [String] = []) -> [SwiftSetting] {
    #if arch(arm64)
    let extensions = arm
    #else
    let extensions = x86
    #endif
    return [.unsafeFlags(["-Ounchecked"] + extensions.flatMap { ["-Xcc", $0] })]
}

let package = Package(
    name: "tiller",
    products: [
        .library(name: "Tiller", targets: ["Tiller", "TillerStreams"]),
        .executable(name: "tiller", targets: ["TillerCommand"]),
        .executable(name: "tiller-run", targets: ["TillerRun"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.0.0"),
    ],
    targets: [
        // Layer 0: headers of the compiler and of the system
        .systemLibrary(name: "CIntrinsics"),
        .systemLibrary(name: "CPlatform"),
        .systemLibrary(name: "CCurl"),
        .systemLibrary(name: "CZlib"),

        // Layer 1: the machine, text and number formats
        .target(name: "Platform", dependencies: ["CPlatform"]),
        .target(name: "Terminal", dependencies: ["Platform"]),
        .target(name: "Compression", dependencies: ["CZlib", "Platform"]),
        .target(name: "JSON"),
        .target(name: "Pictures"),
        .target(name: "Quantization"),
        .target(name: "Tokenization"),
        .target(name: "ChatTemplates", dependencies: ["JSON"]),

        // Layer 2: bytes to values and back; the kernels' source
        .target(name: "Formats", dependencies: ["Platform", "JSON", "Quantization"]),
        .target(name: "KernelCore"),

        // Downloads, with the system's libcurl
        .target(name: "Hub", dependencies: ["CCurl", "Formats", "JSON", "Platform"]),

        // Signatures, which the small runtime does without: swift-crypto needs FoundationEssentials
        .target(
            name: "Signing",
            dependencies: ["Formats", "Platform", .product(name: "Crypto", package: "swift-crypto")]),

        // Layer 3: one conformance for each instruction set; dense float64 over OpenBLAS
        .target(name: "KernelsPortable", dependencies: ["KernelCore"], swiftSettings: instructionSetFlags()),
        .target(
            name: "KernelsAVX2", dependencies: ["CIntrinsics", "KernelCore"],
            swiftSettings: instructionSetFlags(x86: ["-mavx2", "-mfma", "-mf16c"])),
        .target(
            name: "KernelsAVX512", dependencies: ["CIntrinsics", "KernelCore"],
            swiftSettings: instructionSetFlags(x86: [
                "-mavx2", "-mfma", "-mf16c", "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl",
                "-mavx512vnni",
            ])),
        .target(
            name: "KernelsNEON", dependencies: ["CIntrinsics", "KernelCore"],
            swiftSettings: instructionSetFlags()),
        .target(
            name: "KernelsNEONDotProduct", dependencies: ["CIntrinsics", "KernelCore", "KernelsNEON"],
            swiftSettings: instructionSetFlags(arm: ["-march=armv8-a+dotprod"])),
        .target(
            name: "KernelsNEONMatrixProduct", dependencies: ["CIntrinsics", "KernelCore", "KernelsNEON"],
            swiftSettings: instructionSetFlags(arm: ["-march=armv8-a+dotprod+i8mm"])),
        .target(name: "LinearAlgebra", dependencies: ["Platform"]),

        // Layer 4: the instruction set chosen at run time, rows spread over threads
        .target(
            name: "Kernels",
            dependencies: [
                "Platform", "Quantization", "KernelCore", "KernelsPortable", "KernelsAVX2", "KernelsAVX512",
                "KernelsNEON", "KernelsNEONDotProduct", "KernelsNEONMatrixProduct",
            ]),

        // Layer 5: families of models; profiles and their operations
        .target(name: "Models", dependencies: ["CPlatform", "Formats", "JSON", "Platform"]),
        .target(name: "Steering", dependencies: ["Formats", "JSON", "Kernels", "Platform"]),

        // Layer 6: the model
        .target(
            name: "Transformer", dependencies: ["Formats", "Kernels", "Platform", "Quantization", "Steering"]),

        // Layer 7: the public library; activations to directions; measurements; the way to a model
        .target(
            name: "Tiller",
            dependencies: [
                "ChatTemplates", "Formats", "JSON", "Kernels", "Platform", "Quantization", "Steering",
                "Tokenization", "Transformer",
            ]),
        .target(name: "TillerStreams", dependencies: ["Platform", "Tiller"]),
        .target(name: "Directions", dependencies: ["LinearAlgebra", "Platform"]),
        .target(
            name: "Evaluation",
            dependencies: [
                "Formats", "JSON", "Kernels", "Platform", "Steering", "Tiller", "Tokenization", "Transformer",
            ]),
        .target(
            name: "Conversion",
            dependencies: [
                "Evaluation", "Formats", "JSON", "Kernels", "LinearAlgebra", "Models", "Platform",
                "Quantization", "Steering", "Tiller", "Tokenization", "Transformer",
            ]),

        // Layer 8: profiles from pairs
        .target(
            name: "Training",
            dependencies: [
                "Directions", "Evaluation", "Formats", "JSON", "Kernels", "LinearAlgebra", "Pictures",
                "Platform", "Steering", "Tiller", "Transformer",
            ]),

        // Layer 9: what one model learns from another
        .target(
            name: "ExpertSteer",
            dependencies: [
                "Directions", "Evaluation", "Formats", "JSON", "LinearAlgebra", "Pictures", "Platform",
                "Steering", "Tiller", "Tokenization", "Training", "Transformer",
            ]),

        // Layer 10: the commands that run a model, without their parsing
        .target(
            name: "Commands",
            dependencies: [
                "Evaluation", "Formats", "JSON", "Kernels", "Platform", "Quantization", "Steering",
                "Terminal", "Tiller",
            ]),

        // Layer 11: the command line; the small program that bundles are made of
        .executableTarget(
            name: "TillerCommand",
            dependencies: [
                "Commands", "Compression", "Conversion", "Directions", "Evaluation", "ExpertSteer",
                "Formats", "Hub", "JSON", "LinearAlgebra", "Platform", "Quantization", "Signing", "Steering",
                "Terminal", "Tiller",
                "Training",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .executableTarget(name: "TillerRun", dependencies: ["Commands", "Tiller"]),

        // Tests
        .target(name: "TestSupport", path: "Tests/TestSupport"),
        .target(
            name: "ModelFixtures",
            dependencies: [
                "Conversion", "Formats", "JSON", "Platform", "Quantization", "Tiller", "TestSupport",
            ],
            path: "Tests/ModelFixtures"),
        .target(name: "KernelVectors", dependencies: ["KernelCore"], path: "Tests/KernelVectors"),
        .testTarget(name: "PlatformTests", dependencies: ["Platform", "TestSupport"]),
        .testTarget(name: "TerminalTests", dependencies: ["JSON", "Platform", "Terminal", "TestSupport"]),
        .testTarget(name: "CompressionTests", dependencies: ["Compression", "TestSupport"]),
        .testTarget(name: "JSONTests", dependencies: ["JSON", "TestSupport"]),
        .testTarget(name: "PicturesTests", dependencies: ["Pictures"]),
        .testTarget(name: "QuantizationTests", dependencies: ["Quantization", "TestSupport"]),
        .testTarget(
            name: "TokenizationTests",
            dependencies: ["Tokenization", "Conversion", "Formats", "JSON", "Models", "TestSupport"]),
        .testTarget(name: "ChatTemplatesTests", dependencies: ["ChatTemplates", "JSON", "TestSupport"]),
        .testTarget(
            name: "FormatsTests",
            dependencies: ["Formats", "JSON", "Platform", "Quantization", "Steering", "TestSupport"]),
        .testTarget(name: "HubTests", dependencies: ["Formats", "Hub", "JSON", "Platform", "TestSupport"]),
        .testTarget(
            name: "SigningTests",
            dependencies: [
                "Formats", "ModelFixtures", "Platform", "Quantization", "Signing", "Steering", "TestSupport",
            ]),
        .testTarget(
            name: "SteeringTests",
            dependencies: ["Formats", "Kernels", "Platform", "Steering", "TestSupport"]),
        .testTarget(
            name: "LinearAlgebraTests", dependencies: ["LinearAlgebra", "Platform", "TestSupport"]),
        .testTarget(
            name: "DirectionsTests",
            dependencies: ["Directions", "JSON", "LinearAlgebra", "TestSupport"]),
        .testTarget(
            name: "EvaluationTests",
            dependencies: [
                "Evaluation", "JSON", "ModelFixtures", "Platform", "Quantization", "Tiller", "TestSupport",
            ]),
        .testTarget(
            name: "TillerTests",
            dependencies: [
                "ChatTemplates", "Conversion", "Formats", "JSON", "Kernels", "ModelFixtures", "Models",
                "Platform", "Quantization", "Steering", "Tiller", "TestSupport", "TillerStreams",
                "Tokenization",
            ]),
        .testTarget(
            name: "ConcurrencyTests",
            dependencies: [
                "Formats", "Kernels", "ModelFixtures", "Platform", "Steering", "TestSupport", "Tiller",
                "TillerStreams", "Transformer",
            ]),
        .testTarget(
            name: "ConversionTests",
            dependencies: [
                "Conversion", "Evaluation", "Formats", "LinearAlgebra", "ModelFixtures",
                "Quantization", "Steering", "Tiller", "TestSupport",
            ]),
        .testTarget(
            name: "TrainingTests",
            dependencies: [
                "Conversion", "Directions", "Evaluation", "Formats", "JSON", "Kernels", "ModelFixtures",
                "Quantization", "Steering", "Tiller", "Training", "TestSupport",
            ]),
        .testTarget(
            name: "ExpertSteerTests",
            dependencies: [
                "Directions", "Evaluation", "ExpertSteer", "Formats", "JSON", "LinearAlgebra",
                "ModelFixtures", "Platform", "Steering", "TestSupport", "Tiller", "Transformer",
            ]),
        .testTarget(name: "CommandsTests", dependencies: ["Commands", "Platform", "TestSupport", "Tiller"]),
        .testTarget(
            name: "CommandTests",
            dependencies: [
                "Formats", "JSON", "LinearAlgebra", "Steering", "TestSupport", "TillerCommand", "TillerRun",
            ]),
        .testTarget(
            name: "KernelsTests",
            dependencies: [
                "KernelCore", "KernelVectors", "Kernels", "Platform", "Quantization", "TestSupport",
            ]),
        .testTarget(name: "ArchitectureTests", dependencies: ["Platform", "TestSupport"]),
    ],
    swiftLanguageModes: [.v6]
)

// A section for each function lets linkers leave out those that nothing calls.
for target in package.targets where target.type == .regular {
    target.swiftSettings =
        (target.swiftSettings ?? []) + [.unsafeFlags(["-Xfrontend", "-function-sections"])]
}

// For tools/build and tools/build-static: Swift's libraries, or all libraries, inside the programs. Only linking differs, so these
// programs consist of what the tests have tested, and nothing is compiled again.
if Context.environment["TILLER_STATIC"] != nil {
    let linked = ["TillerCommand": "-static-stdlib", "TillerRun": "-static-executable"]
    for target in package.targets {
        guard let kind = linked[target.name] else { continue }
        // What FoundationEssentials consists of; swift-crypto needs it.
        let foundation =
            target.name == "TillerCommand" ? ["-l_FoundationCShims", "-l_FoundationCollections"] : []
        target.linkerSettings = [.unsafeFlags([kind, "-use-ld=lld"] + foundation)]
    }
}

// For tools/check/sanitizers: a few test targets by themselves, and a sanitizer for some targets only.
func names(_ variable: String) -> [String]? {
    Context.environment[variable]?.split(separator: " ").map(String.init)
}
if let tests = names("TILLER_TESTS") {
    package.targets.removeAll { $0.type == .test && !tests.contains($0.name) }
}
if let targets = names("TILLER_THREAD_SANITIZER") {
    for target in package.targets where targets.contains(target.name) {
        target.swiftSettings = (target.swiftSettings ?? []) + [.unsafeFlags(["-sanitize=thread"])]
    }
    for target in package.targets where target.type == .test {
        target.linkerSettings = [.unsafeFlags(["-sanitize=thread"])]
    }
}

// For tools/check/fuzz, and for tests under Address Sanitizer: that and libFuzzer's coverage in what reads files. The variable is
// libFuzzer's path.
if let library = Context.environment["TILLER_FUZZ"] {
    let readers = [
        "JSON", "Quantization", "Tokenization", "ChatTemplates", "Formats", "Signing", "Steering",
        "Models", "Conversion", "Tiller", "Evaluation", "Terminal", "Platform", "Commands",
    ]
    let sanitized = SwiftSetting.unsafeFlags(["-sanitize=fuzzer,address"])
    for target in package.targets {
        // No kernel is run here: they are built without optimisation, in a fraction of the time.
        let flags = target.name.hasPrefix("Kernel") ? .unsafeFlags(["-Onone"]) : sanitized
        guard readers.contains(target.name) || target.name.hasPrefix("Kernel") else { continue }
        target.swiftSettings = (target.swiftSettings ?? []) + [flags]
    }
    // Tests share the watched memory; themselves not optimized, they build in a fraction of the time.
    for target in package.targets where target.type == .test {
        target.swiftSettings = (target.swiftSettings ?? []) + [.unsafeFlags(["-Onone"])]
        target.linkerSettings = [.unsafeFlags(["-sanitize=address", "-use-ld=lld"])]
    }
    package.targets.append(
        .executableTarget(
            name: "Fuzz", dependencies: readers.map { .byName(name: $0) }, path: "tools/fuzz",
            exclude: ["words.txt"], swiftSettings: [sanitized],
            linkerSettings: [
                .unsafeFlags(["-sanitize=address", "-use-ld=lld", library, "-lstdc++"])
            ]))
}

// For tools/experiments/expert-steer: what answers a question once is no part of the program.
if Context.environment["TILLER_EXPERIMENT"] != nil {
    package.targets.append(
        .executableTarget(
            name: "ExpertExperiment",
            dependencies: [
                "Directions", "Evaluation", "ExpertSteer", "Formats", "JSON", "LinearAlgebra", "Platform",
                "Commands", "Steering", "Terminal", "Tiller", "Training",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "tools/experiments/ExpertExperiment"))
}
