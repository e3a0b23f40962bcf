// SPDX-License-Identifier: Apache-2.0
// A name is judged by what it leads to: a rename would put a file in the place of a device as readily as of a file.

import Glibc
import Platform
import TestSupport
import Testing

@Suite struct OutputTargetTests {
    private let folder = TestSupport.TemporaryFolder()

    private func path(_ name: String) -> String { folder.path + "/" + name }

    private func link(_ name: String, to target: String) -> String {
        precondition(symlink(target, path(name)) == 0)
        return path(name)
    }

    private func write(_ name: String) -> String {
        let file = fopen(path(name), "w")
        fclose(file)
        return path(name)
    }

    private func refusal(of path: String, replaceExisting: Bool = true) -> FileError? {
        do { try OutputTarget.check(path, replaceExisting: replaceExisting) } catch { return error }
        return nil
    }

    @Test func devicesPipesAndLinksToThemAreRefused() {
        precondition(mkfifo(path("pipe"), 0o600) == 0)
        let direct = link("null", to: "/dev/null")
        let names = [
            "/dev/null", path("pipe"), direct, link("far", to: "null"), link("farther", to: path("far")),
            link("fifo", to: "./pipe"), link("tty", to: "/dev/tty"),
        ]
        for name in names {
            for replaceExisting in [true, false] {
                let error = refusal(of: name, replaceExisting: replaceExisting)
                #expect(error?.advice == "this is a pipe or a device; name a file", "\(name)")
            }
        }
    }

    @Test func linksThatStandForOpenFilesAreRefused() {
        // A regular file, so that only its name tells it from others; and a number that is not open.
        let descriptor = open(write("plain"), O_RDWR)
        defer { close(descriptor) }
        let names = [
            "/proc/self/fd/\(descriptor)", "/dev/fd/\(descriptor)", "/proc/self/fd/98765",
            link("open", to: "/proc/self/fd/\(descriptor)"), link("chain", to: "open"),
            link("closed", to: "/proc/self/fd/98765"), link("folder", to: "/proc/self/fd") + "/\(descriptor)",
        ]
        for name in names {
            #expect(
                refusal(of: name)?.advice == "this refers to an open file of a process; name a file",
                "\(name)")
        }
    }

    @Test func foldersAndLinksToThemAreRefused() {
        for name in [folder.path, link("here", to: "."), link("again", to: "here")] {
            #expect(refusal(of: name)?.code == EISDIR, "\(name)")
        }
        #expect(refusal(of: link("loop", to: "loop"))?.code == ELOOP)
    }

    @Test func filesLinksToFilesAndLinksToNothingMayBeReplaced() {
        let names = [
            write("plain"), link("name", to: "plain"), link("chain", to: "name"),
            link("empty", to: "nowhere"),
        ]
        for name in names {
            #expect(refusal(of: name) == nil, "\(name)")
            #expect(refusal(of: name, replaceExisting: false)?.code == EEXIST, "\(name)")
        }
        #expect(refusal(of: path("new")) == nil)
        #expect(refusal(of: path("new"), replaceExisting: false) == nil)
    }

    @Test func aDeviceThatAppearsWhileTheFileGrowsIsNotReplaced() throws {
        let writer = try AtomicFileWriter(path: path("a"), replaceExisting: true)
        let name = link("a", to: "/dev/null")
        #expect { try writer.commit() } throws: { ($0 as? FileError)?.operation == .replace }
        var status = stat()
        let result = lstat(name, &status)
        #expect(result == 0 && status.st_mode & S_IFMT == S_IFLNK)
    }

    @Test func aFileIsFoundUnderAllOfItsNames() {
        let input = write("input")
        precondition(Glibc.link(input, path("other")) == 0)
        let descriptor = open(input, O_RDONLY)
        defer { close(descriptor) }
        for output in [
            input, path("other"), link("alias", to: "input"), folder.path + "/./input",
            "/proc/self/fd/\(descriptor)",
        ] {
            #expect(OutputTarget.isWritten(input, by: output), "\(output)")
            #expect(OutputTarget.isWritten("/proc/self/fd/\(descriptor)", by: output), "\(output)")
        }
        #expect(!OutputTarget.isWritten(input, by: write("copy")))
        #expect(!OutputTarget.isWritten(input, by: path("new")))
        #expect(!OutputTarget.isWritten(path("new"), by: path("new")))
    }

    @Test func whatAWriterWouldRemoveIsNoInput() throws {
        let left = write("a.0123456789abcdef.partial")
        #expect(OutputTarget.isWritten(left, by: path("a")))
        #expect(OutputTarget.isWritten(link("alias", to: left), by: path("a")))
        #expect(!OutputTarget.isWritten(left, by: path("b")))
        #expect(!OutputTarget.isWritten(write("a.partial"), by: path("a")))
        let writer = try AtomicFileWriter(path: path("a"), replaceExisting: true)
        #expect(access(left, F_OK) != 0 && access(path("a.partial"), F_OK) == 0)
        writer.cancel()
    }
}
