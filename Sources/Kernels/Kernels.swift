// SPDX-License-Identifier: Apache-2.0
// The compute kernels as the forward pass calls them: `Compute` picks the instruction set at run time, checks every
// size once, and spreads rows over threads. Results do not depend on the number of threads, nor on how many tokens are
// evaluated together.
