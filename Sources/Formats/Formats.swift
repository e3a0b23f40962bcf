// SPDX-License-Identifier: Apache-2.0
// Formats: bytes to values and back. `.tiller` models and profiles (formats/tiller.md) and the parts of
// GGUF and safetensors that we read (formats/gguf.md, safetensors.md). No policy and no mathematics: who may write where, and what a
// tensor means, is decided elsewhere.
//
// The reading types share one idea: `ByteView` is the only thing that touches memory, every number
// from a file is checked before it is used, and a broken rule is reported by its number.
