// SPDX-License-Identifier: Apache-2.0

/// The version of this program and library, written into the files that they make.
public let tillerVersion = "0.1.0"
