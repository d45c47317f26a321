// SPDX-License-Identifier: GPL-3.0-or-later
// Tags and a note of the run that is selected. What is typed is written into the run's folder by
// itself, shortly after and when another run is chosen.
#pragma once

#include <QTimer>
#include <QWidget>
#include <filesystem>
#include <optional>

#include "engine/base/result.h"
#include "engine/runs/run_notes.h"

class QLabel;
class QLineEdit;
class QPlainTextEdit;
class QThreadPool;

namespace luthier {

/// One thread: what was noted later is written later. Who reads notes waits for it first.
QThreadPool& note_writer();

class NotesPanel : public QWidget {
  Q_OBJECT

 public:
  explicit NotesPanel(QWidget* parent = nullptr);
  ~NotesPanel() override;
  /// Nothing: no run is selected, or one that notes are not kept for.
  void show_run(const std::optional<std::filesystem::path>& run, const RunNotes& notes);
  /// The run is elsewhere now, or gone: nothing more is written there.
  void let_go(const std::filesystem::path& run);
  void save();
  /// How often something was saved here; and what last, of the run that is shown.
  int saves() const { return saves_; }
  const std::optional<std::filesystem::path>& run() const { return run_; }
  const RunNotes& saved() const { return saved_; }

 signals:
  void noted(const std::filesystem::path& run, const luthier::RunNotes& notes);
  void failed(const luthier::Error& error);

 private:
  RunNotes typed() const;

  std::optional<std::filesystem::path> run_;
  RunNotes saved_;
  int saves_ = 0;
  QLabel *tags_label_, *note_label_;
  QLineEdit* tags_;
  QPlainTextEdit* note_;
  QTimer save_;
};

}  // namespace luthier
