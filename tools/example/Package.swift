// swift-tools-version: 6.1
// SPDX-License-Identifier: Apache-2.0
// A package that uses Tiller as a library, by the path of the checkout around it.
import PackageDescription

let package = Package(
    name: "example",
    dependencies: [.package(name: "tiller", path: "../..")],
    targets: [
        .executableTarget(name: "example", dependencies: [.product(name: "Tiller", package: "tiller")])
    ],
    swiftLanguageModes: [.v6]
)
