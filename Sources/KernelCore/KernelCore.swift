// SPDX-License-Identifier: Apache-2.0
// The kernels, written once over the protocol `InstructionSet`. A lane is a row of the weights (or a position of the
// key cache, or a channel of the value cache), so that products need no horizontal sums and every instruction set
// adds in the same order.
//
// Everything here is `public` only because inlinable code may name nothing less; no product exports this module.
// All of it is inlined into one function for each kernel and instruction set: no generic code runs, and no object that
// is built for a newer CPU leaves behind a symbol that an older CPU could be handed by the linker.

/// Lanes of one vector and rows of one tile.
@inlinable public var laneCount: Int { @inline(__always) get { 16 } }

/// Columns that share one scale.
@inlinable public var groupColumns: Int { @inline(__always) get { 32 } }
