// SPDX-License-Identifier: Apache-2.0
// The system's libcurl, opened when something is downloaded: it speaks TLS and proxies, and is kept up to date by the system.

import CCurl
import Glibc
import Platform

/// The functions of libcurl 7.66 (2019) and later.
struct CurlLibrary {
    typealias Handle = UnsafeMutableRawPointer

    let easyInit: @convention(c) () -> Handle?
    let easyCleanup: @convention(c) (Handle) -> Void
    let errorText: @convention(c) (Int32) -> UnsafePointer<CChar>?
    let listAppend: @convention(c) (Handle?, UnsafePointer<CChar>) -> Handle?
    let listFree: @convention(c) (Handle?) -> Void
    let multiInit: @convention(c) () -> Handle?
    let multiCleanup: @convention(c) (Handle) -> Int32
    let multiAdd: @convention(c) (Handle, Handle) -> Int32
    let multiRemove: @convention(c) (Handle, Handle) -> Int32
    let multiPerform: @convention(c) (Handle, UnsafeMutablePointer<Int32>) -> Int32
    /// The last arguments: milliseconds, and a place for a number.
    let multiPoll: @convention(c) (Handle, Handle?, UInt32, Int32, UnsafeMutablePointer<Int32>?) -> Int32
    let multiRead: @convention(c) (Handle, UnsafeMutablePointer<Int32>) -> UnsafeMutablePointer<curl_message>?
    /// For the functions of `CCurl`.
    private let setOption: Handle

    private static let names = ["libcurl.so.4", "libcurl-gnutls.so.4"]

    /// Opens the library.
    /// - Throws: `HubError.libraryMissing` if there is none, or it lacks a function.
    init() throws(HubError) {
        let handle: Handle
        do throws(SystemLibraryError) {
            handle = try SystemLibrary.open(SystemLibrary.candidates(named: Self.names))
        } catch {
            throw HubError(
                .libraryMissing,
                "downloads need libcurl, which cannot be opened from the system's folders (\(error.reason)); Debian, Ubuntu: "
                    + "apt-get install libcurl4; 'tiller convert' takes files that were downloaded otherwise")
        }
        func find<Function>(_ name: String, as type: Function.Type) throws(HubError) -> Function {
            guard let address = dlsym(handle, name) else {
                throw HubError(
                    .libraryMissing, "the installed libcurl has no \(name), expected version 7.66 or later")
            }
            return unsafeBitCast(address, to: type)
        }
        // 3: everything that libcurl may need.
        let prepare = try find("curl_global_init", as: (@convention(c) (Int) -> Int32).self)
        guard prepare(3) == 0 else { throw HubError(.libraryMissing, "libcurl cannot be initialized") }
        easyInit = try find("curl_easy_init", as: Swift.type(of: easyInit))
        easyCleanup = try find("curl_easy_cleanup", as: Swift.type(of: easyCleanup))
        errorText = try find("curl_easy_strerror", as: Swift.type(of: errorText))
        listAppend = try find("curl_slist_append", as: Swift.type(of: listAppend))
        listFree = try find("curl_slist_free_all", as: Swift.type(of: listFree))
        multiInit = try find("curl_multi_init", as: Swift.type(of: multiInit))
        multiCleanup = try find("curl_multi_cleanup", as: Swift.type(of: multiCleanup))
        multiAdd = try find("curl_multi_add_handle", as: Swift.type(of: multiAdd))
        multiRemove = try find("curl_multi_remove_handle", as: Swift.type(of: multiRemove))
        multiPerform = try find("curl_multi_perform", as: Swift.type(of: multiPerform))
        multiPoll = try find("curl_multi_poll", as: Swift.type(of: multiPoll))
        multiRead = try find("curl_multi_info_read", as: Swift.type(of: multiRead))
        setOption = try find("curl_easy_setopt", as: Handle.self)
    }
}

/// The options in use, with their numbers of curl/curl.h.
enum CurlOption: Int32 {
    case lowSpeedLimit = 19, lowSpeedTime = 20, connectTimeout = 78, httpVersion = 84, noSignal = 99
    case protocols = 181
    case writeData = 10001, url = 10002, range = 10007, errorBuffer = 10010
    case httpHeader = 10023, headerData = 10029, certificates = 10065
    case writeFunction = 20011, headerFunction = 20079
}

extension CurlLibrary {
    func set(_ option: CurlOption, _ value: Int, of handle: Handle) {
        _ = curl_set_number(setOption, handle, option.rawValue, value)
    }

    /// Sets a text, which libcurl copies.
    func set(_ option: CurlOption, _ text: String, of handle: Handle) {
        _ = text.withCString { curl_set_pointer(setOption, handle, option.rawValue, $0) }
    }

    func set(_ option: CurlOption, _ address: UnsafeRawPointer?, of handle: Handle) {
        _ = curl_set_pointer(setOption, handle, option.rawValue, address)
    }

    func set(_ option: CurlOption, _ receiver: @escaping curl_receiver, of handle: Handle) {
        _ = curl_set_receiver(setOption, handle, option.rawValue, receiver)
    }
}
