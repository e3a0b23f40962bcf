// SPDX-License-Identifier: Apache-2.0
// A file that was copied or read in small pieces lies in the page cache in small pages, and so it is mapped: 2 MB then
// take 250 µs in place of 6. What is mapped again and again is worth reading once more.

import CPlatform
import Glibc

extension MappedFile {
    /// Maps a part of the file now, with the whole large pages around it, as such where the system has them for files.
    ///
    /// Small pages are dropped from the cache and read again from the disk. Systems that do not say which pages are
    /// small (Linux before 6.7), do not let go of them or have no large ones keep what they have.
    /// - Precondition: `range` lies within `bytes`.
    package func mapInLargePages(_ range: Range<Int>) {
        precondition(
            range.lowerBound >= 0 && range.upperBound <= bytes.count, "MappedFile: range out of bounds")
        guard let base = bytes.baseAddress,
            let pages = try? FileDescriptor(path: "/proc/self/pagemap", flags: O_RDONLY)
        else { return }
        let size = LargePage.byteCount
        let first = range.lowerBound / size * size
        // What the file ends with is no whole large page.
        for start in stride(from: first, to: min(range.upperBound, bytes.count - size + 1), by: size) {
            let page = UnsafeMutableRawPointer(mutating: base + start)
            func isMappedInSmallPages() -> Bool {
                madvise(page, size, Int32(MADV_POPULATE_READ))
                return platform_has_small_pages(pages.number, page, UInt(size)) == 1
            }
            guard isMappedInSmallPages() else { continue }
            madvise(page, size, Int32(MADV_PAGEOUT))
            if isMappedInSmallPages() { return }
        }
    }
}
