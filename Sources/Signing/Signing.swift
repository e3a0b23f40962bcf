// SPDX-License-Identifier: Apache-2.0
// Ed25519 signatures of models and profiles, by swift-crypto. Whoever signs vouches for sections by their digests; who is
// trusted is decided by the people who keep public keys, not by this module.
