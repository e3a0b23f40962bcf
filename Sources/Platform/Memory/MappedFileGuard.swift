// SPDX-License-Identifier: Apache-2.0
// If a mapped file is truncated, reading the missing part raises SIGBUS, and no read can throw. A program can
// only end and name the file. The signal handler finds the name in a table of fixed size: it must not wait for a
// lock or allocate.

import CPlatform
import Glibc
import Synchronization

/// The table of a program's live mappings, and the program's end when one of them faults.
///
/// Without `install`, for example in another program's library, it records nothing and the signal has its usual effect.
package enum MappedFileGuard {
    /// A mapping as the handler reads it. A slot is free if its start is 0, and in transition if it is 1.
    private struct Slot: ~Copyable {
        let start = Atomic<UInt>(0)
        let end = Atomic<UInt>(0)
        /// The address of the error line for this file, which begins with a line break.
        let line = Atomic<UInt>(0)
    }

    /// Enough for every shard of a capture; further mappings have no line.
    private static let slotCount = 4096
    /// The table's address; 0 before `install`.
    private static let table = Atomic<UInt>(0)
    private static let hasEnded = Atomic<Bool>(false)

    /// Starts recording mappings. Called once, before the program's first mapping.
    static func install() {
        // Initialized here, because a handler must not do so.
        guard !hasEnded.load(ordering: .relaxed), table.load(ordering: .acquiring) == 0 else { return }
        let memory = mmap(
            nil, slotCount * MemoryLayout<Slot>.stride, PROT_READ | PROT_WRITE,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        // Zeros are free slots.
        guard let memory, memory != MAP_FAILED else { return }
        table.store(UInt(bitPattern: memory), ordering: .releasing)
    }

    private static var slots: UnsafeMutablePointer<Slot>? {
        UnsafeMutableRawPointer(bitPattern: table.load(ordering: .acquiring))?
            .assumingMemoryBound(to: Slot.self)
    }

    // MARK: - Mappings

    /// Records a mapping; nil if recording is off or the table is full.
    static func add(_ bytes: UnsafeRawBufferPointer, path: String) -> Int? {
        guard let slots, let base = bytes.baseAddress else { return nil }
        for index in 0..<slotCount {
            guard
                slots[index].start.compareExchange(expected: 0, desired: 1, ordering: .acquiring).exchanged
            else { continue }
            let line = strdup("\ntiller: \(oneLine(path)) was truncated or changed while it was in use\n")
            slots[index].end.store(UInt(bitPattern: base) + UInt(bytes.count), ordering: .relaxed)
            slots[index].line.store(UInt(bitPattern: line), ordering: .relaxed)
            slots[index].start.store(UInt(bitPattern: base), ordering: .releasing)
            return index
        }
        return nil
    }

    /// Removes a mapping, before another one can reuse its address.
    static func remove(_ index: Int) {
        guard let slots else { return }
        slots[index].start.store(1, ordering: .sequentiallyConsistent)
        free(UnsafeMutableRawPointer(bitPattern: slots[index].line.load(ordering: .relaxed)))
        slots[index].start.store(0, ordering: .releasing)
    }

    /// A path may contain line breaks and control sequences of a terminal.
    private static func oneLine(_ path: String) -> String {
        String(
            String.UnicodeScalarView(path.unicodeScalars.map { $0.value < 32 || $0.value == 127 ? "?" : $0 }))
    }

    // MARK: - In the handler

    /// Ends the program if the system reports a fault within a mapped file; returns otherwise.
    static func endIfMapped(_ info: UnsafePointer<siginfo_t>) {
        // A signal from another process has no address.
        guard info.pointee.si_code > 0, let slots else { return }
        let address = UInt(bitPattern: platform_fault_address(info))
        for index in 0..<slotCount {
            let start = slots[index].start.load(ordering: .acquiring)
            guard start > 1, start <= address, address < slots[index].end.load(ordering: .relaxed),
                let line = UnsafePointer<CChar>(bitPattern: slots[index].line.load(ordering: .relaxed))
            else { continue }
            end(line)
        }
    }

    private static func end(_ line: UnsafePointer<CChar>) -> Never {
        // Several threads may fault at once; only one writes the line.
        while hasEnded.exchange(true, ordering: .relaxed) { pause() }
        // A progress bar leaves the cursor in the middle of its line.
        let skipped = isatty(STDERR_FILENO) == 1 ? 0 : 1
        _ = Glibc.write(STDERR_FILENO, line + skipped, strlen(line) - skipped)
        _exit(1)
    }
}
