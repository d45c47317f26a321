// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/hub/places.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "engine/base/text.h"
#include "engine/base/utf8.h"
#include "engine/io/files.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kLongestName = 96;   // what the hub allows for an id
constexpr std::size_t kLongestPart = 255;  // what file systems allow for one part of a path
constexpr std::size_t kLongestPath = 1024;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

bool is_true(const std::string& value) {
  std::string upper;
  for (const char c : value)
    upper += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return upper == "1" || upper == "ON" || upper == "YES" || upper == "TRUE";
}

fs::path home() {
  const std::string named = environment("HOME");
  return named.empty() ? fs::path("/") : fs::path(named);
}

/// A path of the environment, with ~ for the home folder.
fs::path place(const std::string& text) {
  if (text == "~") return home();
  if (text.starts_with("~/")) return home() / text.substr(2);
  return text;
}

/// A token becomes a line of a request: nothing but visible ASCII.
std::string clean_token(const std::string& text) {
  const std::string token = trimmed(text);
  const bool visible =
      std::all_of(token.begin(), token.end(), [](unsigned char c) { return c > 0x20 && c < 0x7f; });
  return visible ? token : std::string();
}

std::string find_token(const fs::path& hf_home) {
  if (const std::string token = clean_token(environment("HF_TOKEN")); !token.empty()) return token;
  if (const std::string token = clean_token(environment("HUGGING_FACE_HUB_TOKEN")); !token.empty())
    return token;
  if (is_true(environment("HF_HUB_DISABLE_IMPLICIT_TOKEN"))) return {};
  const std::string named = environment("HF_TOKEN_PATH");
  const auto file = read_file(named.empty() ? hf_home / "token" : place(named), 4096);
  return file ? clean_token(*file) : std::string();
}

}  // namespace

HubSettings hub_settings() {
  HubSettings settings;
  const std::string home_variable = environment("HF_HOME"), xdg = environment("XDG_CACHE_HOME");
  const fs::path hf_home = !home_variable.empty()
                               ? place(home_variable)
                               : (xdg.empty() ? home() / ".cache" : place(xdg)) / "huggingface";
  settings.cache = hf_home / "hub";
  for (const char* name : {"HUGGINGFACE_HUB_CACHE", "HF_HUB_CACHE"})
    if (const std::string value = environment(name); !value.empty()) settings.cache = place(value);
  std::error_code ignored;
  if (const fs::path absolute = fs::absolute(settings.cache, ignored); !ignored)
    settings.cache = absolute.lexically_normal();
  settings.endpoint = trimmed(environment("HF_ENDPOINT"));
  if (settings.endpoint.empty()) settings.endpoint = "https://huggingface.co";
  while (settings.endpoint.ends_with('/')) settings.endpoint.pop_back();
  settings.token = find_token(hf_home);
  settings.offline =
      is_true(environment("HF_HUB_OFFLINE")) || is_true(environment("TRANSFORMERS_OFFLINE"));
  return settings;
}

std::string hub_folder_name(const std::string& repository, HubKind kind) {
  std::string name = kind == HubKind::Model ? "models--" : "datasets--";
  for (const char c : repository) name += c == '/' ? std::string("--") : std::string(1, c);
  return name;
}

std::string hub_repository_name(const std::string& folder_name) {
  constexpr std::string_view kHead = "models--";
  if (!folder_name.starts_with(kHead)) return {};
  std::string name = folder_name.substr(kHead.size());
  if (const auto split = name.find("--"); split != std::string::npos) name.replace(split, 2, "/");
  return name;
}

Status check_repository(const std::string& repository) {
  const auto refuse = [&](const std::string& what) {
    return input_error(what, "repository id: " + shortened(repository, 120),
                       "Give it as the hub writes it: organisation/name.");
  };
  if (repository.empty()) return refuse("The repository id is empty.");
  if (repository.find("://") != std::string::npos)
    return refuse("This is an address, not a repository id.");
  if (repository.size() > kLongestName)
    return refuse("A repository id has at most " + std::to_string(kLongestName) + " characters.");
  const auto slash = repository.find('/');
  if (slash != std::string::npos && repository.find('/', slash + 1) != std::string::npos)
    return refuse("A repository id has at most one slash.");
  for (const unsigned char c : repository)
    if (!std::isalnum(c) && c != '/' && c != '.' && c != '_' && c != '-')
      return refuse("A repository id is made of letters, digits, '.', '_' and '-'.");
  if (repository.find("--") != std::string::npos || repository.find("..") != std::string::npos)
    return refuse("A repository id holds neither \"--\" nor \"..\".");
  for (const std::string& part :
       {repository.substr(0, slash),
        slash == std::string::npos ? repository : repository.substr(slash + 1)}) {
    if (part.empty()) return refuse("A part of the repository id is empty.");
    if (part.front() == '.' || part.front() == '-' || part.back() == '.' || part.back() == '-') {
      return refuse("A part of a repository id neither begins nor ends with '.' or '-'.");
    }
  }
  return {};
}

Status check_revision(const std::string& revision) {
  const Status fine = check_hub_file_name(revision, "revision");
  if (!fine)
    return input_error("This cannot be a revision.", "revision: " + shortened(revision, 120),
                       "Give a branch, a tag or a commit, such as main.");
  return {};
}

Status check_hub_file_name(const std::string& name, const std::string& where) {
  const auto refuse = [&](const std::string& what) {
    return input_error(
        "The file name \"" + shortened(name, 120) + "\" " + what, where,
        "The repository is broken or was made to mislead; nothing of it was fetched.");
  };
  if (name.empty()) return refuse("is empty.");
  if (name.size() > kLongestPath) return refuse("is too long.");
  if (!is_utf8(name)) return refuse("is not UTF-8.");
  if (name.front() == '/') return refuse("is absolute.");
  for (const unsigned char c : name)
    if (c < 0x20 || c == 0x7f || c == '\\')
      return refuse("holds a character that no file of a repository has.");
  std::size_t begin = 0;
  while (begin <= name.size()) {
    const std::size_t end = std::min(name.find('/', begin), name.size());
    const std::string_view part(name.data() + begin, end - begin);
    if (part == "..") return refuse("leaves the repository's folder.");
    if (part.empty() || part == ".") return refuse("has an empty part.");
    if (part.size() > kLongestPart) return refuse("has a part that is too long.");
    begin = end + 1;
  }
  return {};
}

bool is_hex(std::string_view text, std::size_t digits) {
  return text.size() == digits && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

}  // namespace luthier
