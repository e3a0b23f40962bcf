// SPDX-License-Identifier: Apache-2.0
// The functions that scripts share, run with stand-ins for the system's programs.

import TestSupport
import Testing

@Suite struct SharedFunctionTests {
    private let folder = TestSupport.TemporaryFolder()

    /// A script that calls `need` on a machine which has or lacks root, sudo, apt-get and the package.
    ///
    /// `apt-get` notes how it was called, and brings the library unless it cannot: after `update` only where lists are old.
    private func need(user: Int, sudo: Bool, apt: String?) -> (status: Int32, output: String) {
        let programs: [(String, String?)] = [
            ("id", "echo \(user)"),
            (
                "sudo",
                sudo ? #"[ "$1" = -n ] && shift && echo "sudo $*" >>"$folder/calls"; exec "$@""# : "exit 1"
            ),
            ("ldconfig", #"cat "$folder/libraries""#),
            ("apt-get", apt.map { #"echo "apt-get $*" >>"$folder/calls"; "# + $0 }),
        ]
        var script = "folder='\(folder.path)'; cd '\(packageRoot)'; export folder; mkdir -p $folder/bin\n"
        script += "printf '\\tlibz.so.1 (libc6) => /lib/libz.so.1\\n\\tlibopenblas.so.0x (libc6) => /x\\n' "
        script += ">$folder/libraries; : >$folder/calls\n"
        for (name, content) in programs {
            guard let content else { continue }
            script +=
                "cat >$folder/bin/\(name) <<'END'\n#!/bin/sh\n\(content)\nEND\nchmod +x $folder/bin/\(name)\n"
        }
        // Nothing but the stand-ins and the shell's few programs is found.
        script += "for p in sh env cat grep touch; do ln -sf $(command -v $p) $folder/bin/$p; done\n"
        script += "ln -sf /bin/true $folder/bin/true\n"
        script += "PATH=$folder/bin /bin/bash -euc '. tools/functions.sh; "
        script +=
            "need libopenblas.so.0 libopenblas0 training; echo goes on' quickstart; status=$?; cat $folder/calls; exit $status"
        return shell(script)
    }

    private let brings =
        #"case $* in *install*) printf "\tlibopenblas.so.0 (libc6) => /y\n" >>"$folder/libraries";; esac"#

    @Test func rootInstallsWhatIsMissing() {
        let (status, output) = need(user: 0, sudo: false, apt: brings)
        #expect(status == 0 && output.contains("installing libopenblas0") && output.contains("goes on"))
        #expect(output.contains("apt-get install -y -qq libopenblas0\n") && !output.contains("missing"))
    }

    @Test func othersInstallBySudo() {
        let (status, output) = need(user: 1000, sudo: true, apt: brings)
        #expect(status == 0 && output.contains("sudo -n apt-get install libopenblas0"))
        #expect(output.contains("sudo env DEBIAN_FRONTEND=noninteractive apt-get install"))
    }

    @Test func oldListsOfPackagesAreUpdated() {
        let old =
            #"case $* in update*) touch "$folder/new";; *) [ -e "$folder/new" ] || exit 100;; esac; "#
            + brings
        let (status, output) = need(user: 0, sudo: false, apt: old)
        #expect(status == 0 && output.contains("apt-get update -qq\napt-get install"))
        #expect(!output.contains("missing"))
    }

    @Test(arguments: [(1000, true), (0, false), (1000, false)])
    func whatCannotBeInstalledIsNamed(user: Int, hasPackages: Bool) {
        let (status, output) = need(user: user, sudo: false, apt: hasPackages ? "exit 1" : nil)
        #expect(status == 0 && output.contains("goes on"))
        #expect(output.contains("libopenblas.so.0 is missing") && output.contains("training needs it"))
        #expect(output.contains("apt-get install libopenblas0)"))
    }

    @Test func everyFailedTestIsNamed() {
        let log = """
            ✔ Test ropeIsRight() passed after 0.001 seconds.
            ✘ Test ropeIsWrong() recorded an issue at A.swift:1:2: no
            ✘ Test ropeIsWrong() failed after 0.001 seconds with 1 issue.
            ✘ Test aRow(count:) with 3 test cases failed after 0.2 seconds with 2 issues.
            ✘ Test "run with care" failed after 0.1 seconds with 1 issue.
            ✘ Test runsWithout() failed after 0.1 seconds with 1 issue.
            ✘ Suite Rows failed after 0.3 seconds with 3 issues.
            ✘ Test run with 750 tests in 80 suites failed after 9.1 seconds with 4 issues.
            """
        let names = { (log: String) in
            shell(
                "cat >'\(folder.path)/log' <<'END'\n\(log)\nEND\n"
                    + "bash -c '. tools/functions.sh; failed_tests \(folder.path)/log'"
            ).output
        }
        #expect(
            names(log) == "ropeIsWrong()\naRow(count:) with 3 test cases\n\"run with care\"\nrunsWithout()\n")
        #expect(names("✔ Test run with 1 test passed after 0.1 seconds.").isEmpty)
    }
}
