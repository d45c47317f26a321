// SPDX-License-Identifier: GPL-3.0-or-later
// One request to a hub over HTTP, and the only place of the engine that uses the network. Redirects
// are followed here and not by libcurl, so that the token goes to the hub that the user named and
// to nobody it points at; a redirect never leads from https to http.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "engine/base/result.h"

namespace luthier {

struct HttpHead {
  long status = 0;
  std::map<std::string, std::string> headers;  ///< names in lower case

  std::string header(const std::string& name) const;
};

struct HttpRequest {
  std::string url;
  std::string token;  ///< goes along while the address stays on this URL's scheme, host and port;
                      ///< empty: none
  bool head_only =
      false;  ///< HEAD: relative redirects are followed, others answer with their own headers
  std::uint64_t from = 0;  ///< first byte wanted; a hub may ignore it and answer 200 with the whole
  /// The answer's head, before its body and only for 2xx; an error ends the transfer.
  std::function<Status(const HttpHead&)> started;
  /// A piece of the body of a 2xx answer; an error ends the transfer.
  std::function<Status(std::string_view)> body;
  /// Called again and again, at least once a second; false ends the transfer.
  std::function<bool()> go_on;
};

/// The last answer's head, whatever its status. Errors: unreachable or cut off (machine, see
/// is_cut), stopped by go_on (interrupted), or what `started` or `body` said.
Result<HttpHead> http_get(const HttpRequest& request);

/// A part of a path for an address: everything but letters, digits and -._~ is percent-encoded;
/// slashes too unless `keep_slashes`.
std::string url_part(std::string_view text, bool keep_slashes = false);
/// An http(s) address without a user's name in it.
Status check_endpoint(const std::string& endpoint);

}  // namespace luthier
