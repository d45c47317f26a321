// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/annotation.h"

#include <algorithm>
#include <map>
#include <sstream>

#include "engine/base/text.h"
#include "engine/data/row_writing.h"
#include "engine/data/sources/pictures_below.h"
#include "engine/io/files.h"
#include "engine/io/probe.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kPlanVersion = 1;
constexpr std::size_t kMostQuestions = 100;
constexpr std::size_t kMostPictures = 1'000'000;

Result<std::vector<fs::path>> pictures_in(const fs::path& folder) {
  std::error_code problem;
  if (!fs::is_directory(folder, problem))
    return input_error("This is no folder.", folder.string(),
                       "Name a folder with the pictures to ask about.");
  LUTHIER_TRY(const std::vector<std::string> names, detail::pictures_below(folder, kMostPictures));
  std::vector<fs::path> found;
  for (const std::string& name : names) found.push_back((folder / name).lexically_normal());
  if (found.empty())
    return input_error("There is no picture in the folder.", folder.string(),
                       "PNG, JPEG, WebP, GIF, BMP and TIFF are read, in folders below it too.");
  return found;
}

std::string spoken(std::string name) {
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '_' || c == '-'; }, ' ');
  return name;
}

std::string filled_in(std::string question, const fs::path& picture) {
  const std::pair<const char*, std::string> marks[] = {
      {"{file}", spoken(picture.stem().string())},
      {"{folder}", spoken(picture.parent_path().filename().string())}};
  for (const auto& [mark, word] : marks) {
    const std::string_view text(mark);
    for (std::size_t at = question.find(text); at != std::string::npos;
         at = question.find(text, at + word.size()))
      question.replace(at, text.size(), word);
  }
  return question;
}

Json text_part(const std::string& text) { return {{"type", "text"}, {"text", text}}; }

Json answer_turns(const std::string& text) {
  return Json::array({{{"role", "assistant"}, {"content", Json::array({text_part(text)})}}});
}

/// The text of the last turn of a list of them; empty where it is none of ours.
std::string last_text(const Json& turns) {
  if (!turns.is_array() || turns.empty() || !turns.back().is_object()) return {};
  const Json content = turns.back().value("content", Json());
  if (!content.is_array() || content.empty() || !content.back().is_object()) return {};
  const Json text = content.back().value("text", Json());
  return text.is_string() ? text.get<std::string>() : std::string();
}

/// The first turn's picture.
std::string picture_of(const Json& turns) {
  if (!turns.is_array() || turns.empty() || !turns.front().is_object()) return {};
  const Json content = turns.front().value("content", Json());
  if (!content.is_array()) return {};
  for (const Json& part : content)
    if (part.is_object() && part.value("type", Json()) == "image" && part.contains("path") &&
        part["path"].is_string())
      return part["path"].get<std::string>();
  return {};
}

/// What the row says of its item.
Json said_of(const Json& row) {
  const Json provenance = row.value("provenance", Json());
  return provenance.is_object() ? provenance : Json::object();
}

std::optional<AnswerMaker> maker_of(const Json& provenance) {
  const Json by = provenance.value("made_by", Json());
  if (!by.is_object()) return std::nullopt;
  AnswerMaker maker;
  const auto text = [&](const char* key) {
    const Json value = by.value(key, Json());
    return value.is_string() ? value.get<std::string>() : std::string();
  };
  maker.model = text("model"), maker.adapter = text("adapter");
  maker.edited = provenance.value("edited", Json()) == true;
  maker.how = provenance.value("kept_by", Json());
  return maker;
}

Error bad_plan(const fs::path& file, const char* field, const char* what) {
  return input_error(what, file.string() + ": " + field,
                     "Mend the field, or begin anew with another file.");
}

}  // namespace

fs::path Annotation::plan_file(const fs::path& file) {
  fs::path plan = file;
  return plan.replace_extension(".annotation.json");
}

Result<Annotation> Annotation::begin(const AnnotationPlan& plan, const fs::path& file) {
  LUTHIER_CHECK(check_new_file(file));
  LUTHIER_CHECK(check_new_file(plan_file(file)));
  Annotation made;
  made.plan_ = plan;
  made.file_ = file;
  for (std::string& question : made.plan_.questions) question = trimmed(question);
  std::erase(made.plan_.questions, std::string());
  if (made.plan_.questions.empty())
    return input_error("No question is asked.", "question", "Write at least one.");
  if (made.plan_.questions.size() > kMostQuestions)
    return input_error("More than a hundred questions are asked about each picture.", "question",
                       "Write fewer.");
  LUTHIER_CHECK(made.fill());
  LUTHIER_CHECK(made.write());
  return made;
}

Result<Annotation> Annotation::open(const fs::path& file) {
  const fs::path beside = plan_file(file);
  LUTHIER_TRY(const Json plan, read_json_file(beside));
  Annotation made;
  made.file_ = file;
  if (!plan.is_object() || plan.value("format_version", Json()) != kPlanVersion)
    return bad_plan(beside, "format_version", "This version of the file is not known.");
  const Json folder = plan.value("pictures", Json()), kind = plan.value("kind", Json());
  if (!folder.is_string()) return bad_plan(beside, "pictures", "The folder is not named.");
  const fs::path named = folder.get<std::string>();
  made.plan_.pictures = named.is_absolute() ? named : file.parent_path() / named;
  const auto known = std::find(std::begin(kAnnotationKinds), std::end(kAnnotationKinds),
                               kind.is_string() ? kind.get<std::string>() : std::string());
  if (known == std::end(kAnnotationKinds))
    return bad_plan(beside, "kind", "The kind is answers, pairs or thumbs.");
  made.plan_.kind = static_cast<AnnotationKind>(known - std::begin(kAnnotationKinds));
  const Json questions = plan.value("questions", Json());
  if (!questions.is_array() || questions.empty() || questions.size() > kMostQuestions ||
      !std::all_of(questions.begin(), questions.end(),
                   [](const Json& each) { return each.is_string(); }))
    return bad_plan(beside, "questions", "The questions are a list of texts.");
  made.plan_.questions = questions.get<std::vector<std::string>>();
  const Json skipped = plan.value("skipped", Json::array());
  if (!skipped.is_array()) return bad_plan(beside, "skipped", "What was skipped is a list.");
  for (const Json& each : skipped) {
    if (!each.is_array() || each.size() != 2 || !each[0].is_string() ||
        !each[1].is_number_unsigned())
      return bad_plan(beside, "skipped", "What was skipped is a list of pictures and numbers.");
    made.skipped_.emplace(each[0].get<std::string>(), each[1].get<std::size_t>());
  }
  LUTHIER_CHECK(made.fill());
  return made;
}

Status Annotation::fill() {
  plan_.pictures = plan_.pictures.lexically_normal();
  if (!plan_.pictures.has_filename()) plan_.pictures = plan_.pictures.parent_path();
  LUTHIER_TRY(const std::vector<fs::path> pictures, pictures_in(plan_.pictures));
  for (const fs::path& picture : pictures) {
    for (std::size_t number = 0; number < plan_.questions.size(); ++number) {
      AnnotationItem& item = items_.emplace_back();
      item.picture = picture;
      item.number = number;
      item.question = filled_in(plan_.questions[number], picture);
      const std::string name = picture.lexically_relative(plan_.pictures).generic_string();
      if (skipped_.contains({name, number})) item.state = AnnotationItem::State::Skipped;
    }
  }
  return is_there(file_) ? take_rows() : Status();
}

Status Annotation::take_rows() {
  std::map<std::pair<std::string, std::size_t>, std::size_t> places;
  const auto whole = [](const fs::path& path) {
    std::error_code problem;  // links are followed, as in what is written of a picture
    const fs::path found = fs::weakly_canonical(path, problem);
    return (problem ? path.lexically_normal() : found).string();
  };
  for (std::size_t i = 0; i < items_.size(); ++i)
    places[{whole(items_[i].picture), items_[i].number}] = i;
  LUTHIER_TRY(const std::string text, read_file(file_));
  std::string line;
  std::size_t number_of_line = 0;
  for (std::istringstream lines(text); std::getline(lines, line);) {
    ++number_of_line;
    if (trimmed(line).empty()) continue;
    LUTHIER_TRY(const Json row,
                parse_json(line, file_.string() + ": line " + std::to_string(number_of_line)));
    const bool plain = row.is_object() && row.contains("messages");
    const Json turns = row.is_object() ? row.value(plain ? "messages" : "prompt", Json()) : Json();
    const std::string picture = picture_of(turns);
    const Json said = row.is_object() ? said_of(row) : Json::object();
    const Json number = said.value("question", Json());
    const auto found =
        picture.empty() || !number.is_number_unsigned()
            ? places.end()
            : places.find({whole(file_.parent_path() / picture), number.get<std::size_t>()});
    if (found == places.end()) {
      others_.push_back(line);
      continue;
    }
    AnnotationItem& item = items_[found->second];
    lines_[found->second] = line;
    places.erase(found);  // a second row about it stays as it is
    item.state = AnnotationItem::State::Done;
    item.maker = maker_of(said);
    item.question = plain ? last_text(Json::array({turns.front()})) : last_text(turns);
    switch (plan_.kind) {
      case AnnotationKind::Answers: item.answer = last_text(turns); break;
      case AnnotationKind::Pairs:
        item.answer = last_text(row.value("chosen", Json()));
        item.rejected = last_text(row.value("rejected", Json()));
        break;
      case AnnotationKind::Thumbs:
        item.answer = last_text(row.value("completion", Json()));
        item.good = row.value("label", Json()) != false;
        break;
    }
  }
  return {};
}

std::size_t Annotation::count(AnnotationItem::State state) const {
  return static_cast<std::size_t>(
      std::count_if(items_.begin(), items_.end(),
                    [state](const AnnotationItem& item) { return item.state == state; }));
}

std::optional<std::size_t> Annotation::next_open(std::size_t index) const {
  for (std::size_t i = 1; i <= items_.size(); ++i) {
    const std::size_t at = (index + i) % items_.size();
    if (items_[at].state == AnnotationItem::State::Open) return at;
  }
  return std::nullopt;
}

Status Annotation::accept(std::size_t index, AnnotationItem item) {
  item.question = trimmed(item.question), item.answer = trimmed(item.answer);
  item.rejected = trimmed(item.rejected);
  const std::string where = item.picture.filename().string();
  if (item.question.empty())
    return input_error("There is no question.", where, "Write what is asked about the picture.");
  const bool pair = plan_.kind == AnnotationKind::Pairs;
  if (item.answer.empty() || (pair && item.rejected.empty()))
    return input_error("An answer is empty.", where, "Write one, let a model propose it, or skip.");
  if (pair && item.answer == item.rejected)
    return input_error("Both answers are the same.", where,
                       "A pair teaches nothing unless its answers differ.");
  item.state = AnnotationItem::State::Done;
  return put(index, std::move(item));
}

Status Annotation::skip(std::size_t index) {
  AnnotationItem item = items_.at(index);
  item.state = AnnotationItem::State::Skipped;
  return put(index, std::move(item));
}

Status Annotation::reopen(std::size_t index) {
  AnnotationItem item = items_.at(index);
  item.state = AnnotationItem::State::Open;
  return put(index, std::move(item));
}

/// What could not be written did not happen.
Status Annotation::put(std::size_t index, AnnotationItem item) {
  AnnotationItem& held = items_.at(index);
  const std::pair<std::string, std::size_t> name{
      held.picture.lexically_relative(plan_.pictures).generic_string(), held.number};
  const bool was_skipped = skipped_.contains(name);
  const auto skips = [&](bool skipped) {
    if (skipped)
      skipped_.insert(name);
    else
      skipped_.erase(name);
  };
  std::string before;
  if (const auto line = lines_.find(index); line != lines_.end()) before = std::move(line->second);
  const auto says = [&](std::string line) {
    if (line.empty())
      lines_.erase(index);
    else
      lines_[index] = std::move(line);
  };
  skips(item.state == AnnotationItem::State::Skipped);
  std::swap(held, item);
  says(held.state == AnnotationItem::State::Done ? line_of(held) : std::string());
  const Status written = write();
  if (!written) {
    std::swap(held, item);
    skips(was_skipped);
    says(std::move(before));
  }
  return written;
}

std::string Annotation::line_of(const AnnotationItem& item) const {
  Conversation asked;
  asked.messages.push_back(
      {"user", {ContentPart::of_image(item.picture), ContentPart::of_text(item.question)}});
  Json prompt = row_json(asked, file_.parent_path())["messages"];
  Json row;
  switch (plan_.kind) {
    case AnnotationKind::Answers:
      prompt.push_back(answer_turns(item.answer).front());
      row["messages"] = std::move(prompt);
      break;
    case AnnotationKind::Pairs:
      row["prompt"] = std::move(prompt);
      row["chosen"] = answer_turns(item.answer);
      row["rejected"] = answer_turns(item.rejected);
      break;
    case AnnotationKind::Thumbs:
      row["prompt"] = std::move(prompt);
      row["completion"] = answer_turns(item.answer);
      row["label"] = item.good;
      break;
  }
  Json provenance = {{"kind", "annotation"}, {"question", item.number}, {"made_by", "person"}};
  if (item.maker) {
    provenance["made_by"] = {
        {"model", item.maker->model},
        {"adapter", item.maker->adapter.empty() ? Json(nullptr) : Json(item.maker->adapter)}};
    provenance["edited"] = item.maker->edited;
    if (!item.maker->how.is_null()) provenance["kept_by"] = item.maker->how;
  }
  row["provenance"] = std::move(provenance);
  return row.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json Annotation::plan_json() const {
  std::error_code problem;
  const fs::path folder = file_.parent_path().empty() ? fs::path(".") : file_.parent_path();
  const fs::path way = fs::proximate(fs::absolute(plan_.pictures), fs::absolute(folder), problem);
  Json skipped = Json::array();
  for (const auto& [name, number] : skipped_) skipped.push_back(Json::array({name, number}));
  return {{"format_version", kPlanVersion},
          {"pictures", problem || way.empty() ? plan_.pictures.string() : way.generic_string()},
          {"kind", kAnnotationKinds[static_cast<int>(plan_.kind)]},
          {"questions", plan_.questions},
          {"skipped", std::move(skipped)}};
}

Status Annotation::write() {
  std::string text;
  for (const auto& [index, line] : lines_) text += line + "\n";
  for (const std::string& line : others_) text += line + "\n";
  const std::string plan = plan_json().dump(2, ' ', false, Json::error_handler_t::replace);
  LUTHIER_CHECK(write_file_atomically(file_, text));
  if (plan == plan_written_) return {};
  LUTHIER_CHECK(write_file_atomically(plan_file(file_), plan));
  plan_written_ = plan;
  return {};
}

}  // namespace luthier
