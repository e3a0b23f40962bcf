// SPDX-License-Identifier: Apache-2.0
// What does not fit in memory is refused before it is loaded: a machine that swaps itself to death answers nobody.

import Formats
import Platform
import Tiller

/// Why a model will not run well in the memory there is, and what would help; nil where it fits.
///
/// - Parameters:
///   - needed: bytes that become resident when the context is full, the file's pages included.
///   - available: bytes that the system can give without pushing out others.
///   - fittingContext: the longest context that fits, where a shorter one does.
///   - fittingResident: megabytes of the weights that fit, where layers can pass through memory.
package func memoryRefusal(
    _ path: String, needed: Int, available: Int, context: Int, fittingContext: Int?,
    fittingResident: @autoclosure () -> Int?
) -> String? {
    guard needed > available else { return nil }
    let advice =
        fittingContext.map { "--context \($0) fits" }
        ?? fittingResident().map { "--resident \($0) fits, and is slower" }
        ?? "a smaller model, or fewer bits by 'tiller convert --weights int4', may fit"
    return
        "\(path) with a context of \(context) tokens needs \(formatted(bytes: needed)) of memory, "
        + "\(formatted(bytes: available)) are available; \(advice), --overcommit runs it anyway"
}

extension EngineSettings {
    /// Why a model with a context will not run well in the memory that is available now; nil where it fits.
    func refusal(_ path: String, _ file: TillerFile, context: Int) throws -> String? {
        let available = SystemMemory.availableByteCount()
        // What is out of range is for others to refuse.
        let context = min(max(context, 1), min(file.manifest.configuration.contextLength, 1 << 20))
        let limit = try residentWeights(resident, of: file)
        let encoding = try Engine.cacheEncoding(cache, for: file)
        func needed(_ length: Int) -> Int {
            MemoryPrediction(
                file: file, contextLength: length, cache: encoding, threadCount: threads,
                residentWeights: limit
            ).total
        }
        func fittingResident() -> Int? {
            let room = available - needed(context) + min(limit ?? .max, file.weights.count)
            // Whole megabytes are given.
            return room >= Engine.leastResidentWeights(of: file) + 1_000_000 ? room / 1_000_000 : nil
        }
        let lengths = [32768, 16384, 8192, 4096, 2048, 1024, 512]
        return memoryRefusal(
            path, needed: needed(context), available: available, context: context,
            fittingContext: lengths.first { $0 < context && needed($0) <= available },
            fittingResident: fittingResident())
    }
}
