// SPDX-License-Identifier: Apache-2.0
// The library is opened from the system's folders, whatever the environment and the present folder hold.

import LinearAlgebra
import Testing

struct OpenBLASFileTests {
    @Test func onlyFoldersOfTheSystemAreSearched() throws {
        let files = try OpenBLASFile.candidates(variable: nil)
        #expect(files.allSatisfy { $0.hasPrefix("/usr/") || $0.hasPrefix("/lib") })
        #expect(
            files.contains("/usr/lib/x86_64-linux-gnu/libopenblas.so.0")
                || files.contains("/usr/lib/aarch64-linux-gnu/libopenblas.so.0"))
    }

    @Test func theUsersFileIsTheOnlyOneThatIsTried() throws {
        #expect(try OpenBLASFile.candidates(variable: "/opt/blas/lib.so") == ["/opt/blas/lib.so"])
    }

    @Test(arguments: ["", "libopenblas.so", "./libopenblas.so"])
    func aNameWithoutAFolderIsRefused(name: String) {
        let error = #expect(throws: LinearAlgebraError.self) {
            try OpenBLASFile.candidates(variable: name)
        }
        #expect(error?.description.contains("'\(name)'") == true)
    }
}
