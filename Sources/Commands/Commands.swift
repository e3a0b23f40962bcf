// SPDX-License-Identifier: Apache-2.0
// What running a model from a command line means, without the command line: `tiller` and `tiller-run` read their
// arguments in their own ways into the same requests, and share every text, every answer and every exit code.
