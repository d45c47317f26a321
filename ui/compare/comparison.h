// SPDX-License-Identifier: GPL-3.0-or-later
// The grid's content: samples, columns (the base and attached adapters) and their answers. It asks the session for what is missing
// and takes in the streaming answers; the page only shows it.
#pragma once

#include <QObject>
#include <map>

#include "ui/workspace.h"

namespace luthier {

struct Answer {
  QString text;
  std::vector<AnswerToken> tokens;
  double seconds = 0;
  std::string finish;
  bool begun = false, final = false;
  /// exp of the mean log-probability of its tokens.
  double confidence() const;
};

class Comparison : public QObject {
  Q_OBJECT

 public:
  struct Column {
    std::optional<std::string> name;   ///< nullopt: the base
    std::vector<Answer> answers;       ///< one a sample
  };

  Comparison(Workspace& workspace, QObject* parent = nullptr);

  const std::vector<Sample>& samples() const { return samples_; }
  const std::vector<Column>& columns() const { return columns_; }
  std::size_t reference() const { return reference_; }
  GenerationOptions& options() { return options_; }
  const QString& source() const { return source_; }

  /// Rows whose last assistant turn is the expected answer.
  void set_samples(std::vector<Sample> samples, const QString& source);
  void set_reference(std::size_t column);
  /// Drops the answers of a column (its strength changed).
  void forget(const std::string& name);
  void forget_all();

  /// Answers every sample for every column that lacks one.
  void run();
  void cancel();
  bool running() const { return !requests_.empty(); }

  QString expected(std::size_t sample) const;
  QString question(std::size_t sample) const;
  QString picture(std::size_t sample) const;
  /// Exact matches and answered samples with an expected answer.
  std::pair<int, int> exact_matches(std::size_t column) const;

 signals:
  void columns_changed();
  void samples_changed();
  void answer_changed(std::size_t sample, std::size_t column);
  void running_changed();
  void failed(const luthier::Error& error);

 private:
  void follow_adapters();
  void take(const AnswerUpdate& event);

  struct Asked {
    std::vector<std::size_t> samples;
    std::vector<std::optional<std::string>> columns;
  };

  Workspace& workspace_;
  std::vector<Sample> samples_;
  std::vector<Column> columns_{Column{std::nullopt, {}}};
  std::size_t reference_ = 0;
  GenerationOptions options_;
  QString source_;
  std::map<RequestId, Asked> requests_;
};

}  // namespace luthier
