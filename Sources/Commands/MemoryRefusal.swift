// SPDX-License-Identifier: Apache-2.0
// Refuses a model that does not fit in memory before it is loaded: a machine that swaps heavily stops responding.

import Formats
import Platform
import Tiller

/// Why the available memory is too small for a model, and what would help; nil if the model fits.
///
/// - Parameters:
///   - needed: bytes that are resident when the context is full, including the file's pages.
///   - available: bytes that the system can provide without evicting other programs.
///   - fittingContext: the longest context that fits, if a shorter one does.
///   - fittingResident: megabytes of the weights that fit, if layers can be streamed.
package func memoryRefusal(
    _ path: String, needed: Int, available: Int, context: Int, fittingContext: Int?,
    fittingResident: @autoclosure () -> Int?
) -> String? {
    guard needed > available else { return nil }
    let advice =
        fittingContext.map { "--context \($0) fits" }
        ?? fittingResident().map { "--resident \($0) fits, but is slower" }
        ?? "a smaller model, or fewer bits by 'tiller convert --weights int4', may fit"
    return
        "\(path) with a context of \(context) tokens needs \(formatted(bytes: needed)) of memory, "
        + "\(formatted(bytes: available)) is available; \(advice), --overcommit runs it anyway"
}

extension EngineSettings {
    /// Why the memory available now is too small for a model with a context; nil if the model fits.
    func refusal(_ path: String, _ file: TillerFile, context: Int) throws -> String? {
        let available = SystemMemory.availableByteCount()
        // Other code refuses values out of range.
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
            // The option takes whole megabytes.
            return room >= Engine.leastResidentWeights(of: file) + 1_000_000 ? room / 1_000_000 : nil
        }
        let lengths = [32768, 16384, 8192, 4096, 2048, 1024, 512]
        return memoryRefusal(
            path, needed: needed(context), available: available, context: context,
            fittingContext: lengths.first { $0 < context && needed($0) <= available },
            fittingResident: fittingResident())
    }
}
