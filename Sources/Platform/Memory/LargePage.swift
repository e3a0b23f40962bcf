// SPDX-License-Identifier: Apache-2.0
// Files that lie in the page cache in large pages map as such: one page fault then makes 2 MB readable, not 4 KB or 64.

/// The larger size of pages, of x86-64 and of ARM with small pages of 4 KB.
package enum LargePage {
    package static let byteCount = 2 << 20
}
