// SPDX-License-Identifier: Apache-2.0
// `--session`: a command reads earlier state when it starts and writes its own when it ends.

import Formats
import Glibc
import JSON
import Platform
import Tiller

extension Session {
    /// Restores a session file if there is one, and returns its conversation.
    ///
    /// State that was computed under other conditions is computed again; a message on standard error says so.
    /// - Throws: `TillerError.invalidFile` for a damaged file, or a path that cannot be written.
    func resume(from path: String) throws(TillerError) -> [Message] {
        guard access(path, F_OK) == 0 else {
            let folder = path.folderPart.isEmpty ? "." : path.folderPart
            guard access(folder, W_OK) == 0 else {
                throw .invalidFile("\(path): no file can be written to \(folder)")
            }
            return []
        }
        let file = try openSessionFile(path)
        if case .other(let reason) = try restore(file, path: path) {
            writeError("tiller: \("\(path) belongs to \(reason)".printableLine); all is computed again")
        }
        return try Message.list(in: file.conversation, of: path)
    }
}

extension Message {
    /// The JSON form of messages in files.
    static func json(_ messages: [Message]) -> JSON {
        ["messages": .array(messages.map { ["role": .string($0.role), "content": .string($0.content)] })]
    }

    /// The messages in a file; none if it holds null.
    static func list(in json: JSON, of path: String) throws(TillerError) -> [Message] {
        var messages: [Message] = []
        for entry in json["messages"]?.arrayValue ?? [] {
            guard let role = entry["role"]?.stringValue, let content = entry["content"]?.stringValue,
                ["system", "user", "assistant"].contains(role)
            else { throw .invalidFile("\(path): message \(messages.count) has no valid role and content") }
            messages.append(Message(role: role, content: content))
        }
        return messages
    }
}
