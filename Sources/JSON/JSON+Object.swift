// SPDX-License-Identifier: Apache-2.0
// Objects keep the order of their members: the writer emits the order that the parser read, and
// chat templates print tools as the user wrote them. Large objects carry a hash index.

extension JSON {
    /// The members of a JSON object in insertion order, found by key.
    package struct Object: Sendable {
        package struct Member: Sendable {
            package let key: String
            package var value: JSON
        }

        /// The members in insertion order.
        package private(set) var members: [Member] = []

        /// Open addressing with linear probing: each slot holds the index of a member or -1.
        ///
        /// The number of slots is a power of two. The array is empty while the object is small and a scan is faster.
        private var slots: [Int32] = []

        /// Objects with up to this many members are searched linearly.
        private static let scanLimit = 8

        package init() {}

        package var count: Int { members.count }
        package var isEmpty: Bool { members.isEmpty }

        /// The keys in insertion order.
        package var keys: [String] { members.map(\.key) }

        /// The values in insertion order.
        package var values: [JSON] { members.map(\.value) }

        /// The value of a key.
        ///
        /// Setting an existing key keeps its place, setting nil removes the member.
        ///
        /// - Complexity: O(1) on average to get and set, O(count) to remove.
        package subscript(key: String) -> JSON? {
            get { index(of: key).map { members[$0].value } }
            set {
                guard let newValue else { return remove(key) }
                if let index = index(of: key) {
                    members[index].value = newValue
                } else {
                    append(key, newValue)
                }
            }
        }

        /// Whether the object has a key.
        package func contains(_ key: String) -> Bool { index(of: key) != nil }

        /// Adds a member unless the key is there already.
        ///
        /// - Returns: Whether the member was added.
        package mutating func insertIfAbsent(_ key: String, _ value: JSON) -> Bool {
            guard index(of: key) == nil else { return false }
            append(key, value)
            return true
        }

        private mutating func remove(_ key: String) {
            guard let index = index(of: key) else { return }
            members.remove(at: index)
            rebuildSlots()
        }
    }
}

// MARK: - Hash index

extension JSON.Object {
    private func index(of key: String) -> Int? {
        if slots.isEmpty {
            return members.firstIndex { $0.key.hasSameBytes(as: key) }
        }
        let mask = slots.count - 1
        var place = Self.hash(key) & mask
        while slots[place] >= 0 {
            let index = Int(slots[place])
            if members[index].key.hasSameBytes(as: key) { return index }
            place = (place + 1) & mask
        }
        return nil
    }

    /// - Precondition: The key is absent.
    private mutating func append(_ key: String, _ value: JSON) {
        members.append(Member(key: key, value: value))
        guard members.count > Self.scanLimit else { return }
        if members.count * 2 > slots.count {
            rebuildSlots()
        } else {
            insertSlot(members.count - 1)
        }
    }

    private mutating func rebuildSlots() {
        guard members.count > Self.scanLimit else {
            slots = []
            return
        }
        // The table is at most half full after growing, so that probing stays short.
        var capacity = 32
        while capacity < members.count * 3 { capacity *= 2 }
        slots = [Int32](repeating: -1, count: capacity)
        for index in members.indices { insertSlot(index) }
    }

    private mutating func insertSlot(_ index: Int) {
        let mask = slots.count - 1
        var place = Self.hash(members[index].key) & mask
        while slots[place] >= 0 { place = (place + 1) & mask }
        slots[place] = Int32(index)
    }

    /// Seeded per process, so that keys chosen by an adversary do not collide.
    private static func hash(_ key: String) -> Int {
        var hasher = Hasher()
        let isContiguous: Void? = key.utf8.withContiguousStorageIfAvailable {
            hasher.combine(bytes: UnsafeRawBufferPointer($0))
        }
        if isContiguous == nil {
            for byte in key.utf8 { hasher.combine(byte) }
        }
        return hasher.finalize()
    }
}

// MARK: - Conformances

extension JSON.Object: Equatable {
    /// Same keys with equal values, in any order.
    package static func == (left: JSON.Object, right: JSON.Object) -> Bool {
        left.count == right.count && left.members.allSatisfy { right[$0.key] == $0.value }
    }
}

extension JSON.Object: Sequence {
    package func makeIterator() -> IndexingIterator<[Member]> { members.makeIterator() }
}

extension JSON.Object: ExpressibleByDictionaryLiteral {
    package init(dictionaryLiteral members: (String, JSON)...) {
        self.init()
        for (key, value) in members { self[key] = value }
    }
}
