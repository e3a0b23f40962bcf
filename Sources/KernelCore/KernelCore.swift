// SPDX-License-Identifier: Apache-2.0
// The kernels, written once over the protocol `InstructionSet`. A SIMD lane is a row of the weights (or a position of the
// key cache, or a channel of the value cache), so that products need no horizontal sums and every instruction set
// adds in the same order.
//
// Everything here is `public` only because inlinable code can name only public declarations; no product exports this module.
// All of it is inlined into one function per kernel and instruction set: no generic code runs. An object built for a newer CPU
// leaves no symbol behind that the linker could use for an older CPU.

/// Lanes per vector and rows per tile.
@inlinable public var laneCount: Int { @inline(__always) get { 16 } }

/// Columns that share one scale.
@inlinable public var groupColumns: Int { @inline(__always) get { 32 } }
