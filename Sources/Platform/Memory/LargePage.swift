// SPDX-License-Identifier: Apache-2.0
// Files that the page cache keeps in large pages map in large pages: one page fault then makes 2 MB readable, not 4 KB or 64.

/// The larger page size, of x86-64 and of ARM with small pages of 4 KB.
package enum LargePage {
    package static let byteCount = 2 << 20
}
