// SPDX-License-Identifier: Apache-2.0
// ExpertSteer from models to profiles: a target and an expert read the same texts, the mathematics of `ExpertSteer`
// turns their states into directions, and the target's own file takes up the profile. `Training` knows one model,
// `ExpertSteer` none; this module is the only one that sees two.
