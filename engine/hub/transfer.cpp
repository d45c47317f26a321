// SPDX-License-Identifier: GPL-3.0-or-later
// libcurl, one handle a transfer. Proxies are those of the environment, as for every other program,
// but never for this machine itself.
#include "engine/hub/transfer.h"

#include <curl/curl.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>

#include "engine/base/text.h"
#include "engine/base/utf8.h"

namespace luthier {

namespace {

constexpr int kMostRedirects = 10;
constexpr std::size_t kMostHeaders = 200;
constexpr long kConnectSeconds = 20;
constexpr long kSilentSeconds = 60;  // no byte for so long is a cut connection

using Address = std::unique_ptr<CURLU, void (*)(CURLU*)>;

/// `text` as an address; null when it is none.
Address parse_address(const std::string& text) {
  Address address(curl_url(), curl_url_cleanup);
  if (address && curl_url_set(address.get(), CURLUPART_URL, text.c_str(),
                              CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK)
    address.reset();
  return address;
}

std::string part(const Address& address, CURLUPart which, unsigned int flags = 0) {
  char* value = nullptr;
  if (curl_url_get(address.get(), which, &value, flags) != CURLUE_OK || !value) return {};
  std::string text(value);
  curl_free(value);
  return text;
}

/// "https://host:443": what a token belongs to.
std::string origin(const Address& address) {
  return ascii_lower(part(address, CURLUPART_SCHEME)) + "://" +
         ascii_lower(part(address, CURLUPART_HOST)) + ":" +
         part(address, CURLUPART_PORT, CURLU_DEFAULT_PORT);
}

bool is_this_machine(const Address& address) {
  const std::string host = ascii_lower(part(address, CURLUPART_HOST));
  return host == "localhost" || host.ends_with(".localhost") || host.starts_with("127.") ||
         host == "[::1]";
}

/// The certificates of the system, also where the program was carried to another one than it was
/// built on.
std::optional<std::string> certificates() {
  for (const char* name : {"SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"})
    if (const char* file = std::getenv(name); file && *file) return file;
  std::error_code ignored;
  for (const char* file : {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                           "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"})
    if (std::filesystem::exists(file, ignored)) return file;
  return std::nullopt;
}

/// What one transfer knows while libcurl calls back.
struct Exchange {
  const HttpRequest* request = nullptr;
  HttpHead head;
  bool body_begun = false, stopped = false;
  Status said;  ///< of `started` or `body`

  bool good() const { return head.status >= 200 && head.status < 300; }
  bool begin() {
    if (body_begun || !good()) return true;
    body_begun = true;
    if (request->started) said = request->started(head);
    return said.ok();
  }
};

std::size_t on_header(char* data, std::size_t size, std::size_t count, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  std::string_view line(data, size * count);
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
  if (line.starts_with("HTTP/")) {
    exchange.head = {};
    const auto space = line.find(' ');
    if (space != std::string_view::npos)
      exchange.head.status =
          std::strtol(std::string(line.substr(space + 1, 3)).c_str(), nullptr, 10);
    return size * count;
  }
  const auto colon = line.find(':');
  if (colon == std::string_view::npos || exchange.head.headers.size() >= kMostHeaders)
    return size * count;
  std::string_view value = line.substr(colon + 1);
  while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
  exchange.head.headers[ascii_lower(std::string(line.substr(0, colon)))] = std::string(value);
  return size * count;
}

std::size_t on_body(char* data, std::size_t size, std::size_t count, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  if (!exchange.good()) return size * count;  // the text of an error page is of no use
  if (!exchange.begin()) return 0;
  if (exchange.request->body)
    exchange.said = exchange.request->body(std::string_view(data, size * count));
  return exchange.said ? size * count : 0;
}

int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  auto& exchange = *static_cast<Exchange*>(user);
  exchange.stopped = exchange.request->go_on && !exchange.request->go_on();
  return exchange.stopped ? 1 : 0;
}

Error trouble(CURLcode code, const char* detail, const std::string& url) {
  const std::string why = *detail ? detail : curl_easy_strerror(code);
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
      return machine_error("The hub cannot be reached: " + why + ".", url,
                           "Check the network, and HF_ENDPOINT if it is set.");
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CONNECT_ERROR:
      return machine_error(
          "The connection is not trusted: " + why + ".", url,
          "Check the machine's certificates (ca-certificates, SSL_CERT_FILE) and its clock.");
    case CURLE_WRITE_ERROR:
    case CURLE_OUT_OF_MEMORY: return machine_error("The transfer failed: " + why + ".", url);
    default: return machine_error("The connection was cut: " + why + ".", url);
  }
}

/// One answer of one address, without following it anywhere.
Status perform(const std::string& url, const Address& address, bool with_token,
               Exchange& exchange) {
  const HttpRequest& request = *exchange.request;
  const std::unique_ptr<CURL, void (*)(CURL*)> curl(curl_easy_init(), curl_easy_cleanup);
  if (!curl) return machine_error("The network library does not start.");
  char detail[CURL_ERROR_SIZE] = "";
  curl_slist* lines = curl_slist_append(nullptr, "Accept-Encoding: identity");
  if (with_token && !request.token.empty())
    lines = curl_slist_append(lines, ("Authorization: Bearer " + request.token).c_str());
  const std::unique_ptr<curl_slist, void (*)(curl_slist*)> headers(lines, curl_slist_free_all);
  CURL* c = curl.get();
  curl_easy_setopt(c, CURLOPT_URL, url.c_str());
  curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(c, CURLOPT_USERAGENT, "luthier");
  curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, kSilentSeconds);
  curl_easy_setopt(c, CURLOPT_BUFFERSIZE, 256L << 10);
  curl_easy_setopt(c, CURLOPT_ERRORBUFFER, detail);
  curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(c, CURLOPT_HEADERDATA, &exchange);
  curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(c, CURLOPT_WRITEDATA, &exchange);
  curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
  curl_easy_setopt(c, CURLOPT_XFERINFODATA, &exchange);
  if (is_this_machine(address)) curl_easy_setopt(c, CURLOPT_PROXY, "");
  if (const auto bundle = certificates()) curl_easy_setopt(c, CURLOPT_CAINFO, bundle->c_str());
  if (request.head_only) curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
  const std::string range = std::to_string(request.from) + "-";
  if (request.from > 0) curl_easy_setopt(c, CURLOPT_RANGE, range.c_str());
  const CURLcode code = curl_easy_perform(c);
  if (!exchange.said) return exchange.said.error();
  if (exchange.stopped) return interrupted_error();
  if (code != CURLE_OK) return trouble(code, detail, shortened(url.substr(0, url.find('?')), 200));
  if (!request.head_only && !exchange.begin()) return exchange.said.error();  // an empty body
  return {};
}

/// Where an answer of 3xx leads: an address, refused when it leaves http(s) or gives up encryption.
Result<std::string> redirect_target(const std::string& url, const HttpHead& head) {
  const std::string location = head.header("location"),
                    shown = shortened(location.substr(0, location.find('?')), 200);
  const Address from = parse_address(url);
  Address to(curl_url_dup(from.get()), curl_url_cleanup);
  if (location.empty() || curl_url_set(to.get(), CURLUPART_URL, location.c_str(), 0) != CURLUE_OK) {
    return input_error("The hub redirects to an address that is none: \"" + shown + "\".", url,
                       "Check HF_ENDPOINT.");
  }
  const std::string scheme = ascii_lower(part(to, CURLUPART_SCHEME)),
                    before = ascii_lower(part(from, CURLUPART_SCHEME));
  if (scheme != "https" && !(scheme == "http" && before == "http")) {
    return input_error(
        "The hub redirects from " + before + " to \"" + shown + "\", which is not followed.", url,
        "Check HF_ENDPOINT.");
  }
  return part(to, CURLUPART_URL);
}

}  // namespace

std::string HttpHead::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? std::string() : found->second;
}

Status check_endpoint(const std::string& endpoint) {
  const Address address = parse_address(endpoint);
  const std::string scheme = address ? ascii_lower(part(address, CURLUPART_SCHEME)) : std::string();
  if ((scheme == "https" || scheme == "http") && part(address, CURLUPART_USER).empty() &&
      part(address, CURLUPART_QUERY).empty())
    return {};
  return input_error("\"" + shortened(endpoint, 200) + "\" is not the address of a hub.",
                     "HF_ENDPOINT", "Give one such as https://huggingface.co, or unset it.");
}

std::string url_part(std::string_view text, bool keep_slashes) {
  std::string encoded;
  for (const unsigned char c : text) {
    if (std::isalnum(c) || c == '-' || c == '.' || c == '_' || c == '~' ||
        (keep_slashes && c == '/')) {
      encoded += static_cast<char>(c);
    } else {
      encoded += '%';
      encoded += "0123456789ABCDEF"[c >> 4];
      encoded += "0123456789ABCDEF"[c & 15];
    }
  }
  return encoded;
}

Result<HttpHead> http_get(const HttpRequest& request) {
  static std::once_flag started;
  std::call_once(started, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  std::string url = request.url;
  const Address first = parse_address(url);
  if (!first) return input_error("This is not an address.", shortened(url, 200));
  const std::string home = origin(first);
  bool at_home = true;
  for (int hop = 0; hop <= kMostRedirects; ++hop) {
    const Address address = parse_address(url);
    if (!address)
      return input_error("The hub redirects to an address that is none.", shortened(url, 200));
    at_home = at_home && origin(address) == home;  // who has left does not come back with the token
    Exchange exchange;
    exchange.request = &request;
    LUTHIER_CHECK(perform(url, address, at_home, exchange));
    const long status = exchange.head.status;
    if (status != 301 && status != 302 && status != 303 && status != 307 && status != 308)
      return std::move(exchange.head);
    const std::string location = exchange.head.header("location");
    // A large file's own head names its hash; the store it points at would say something else.
    if (request.head_only && !location.starts_with('/')) return std::move(exchange.head);
    LUTHIER_TRY(url, redirect_target(url, exchange.head));
  }
  return input_error("The hub redirects in circles.", shortened(request.url, 200),
                     "Check HF_ENDPOINT.");
}

}  // namespace luthier
