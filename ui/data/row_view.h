// SPDX-License-Identifier: GPL-3.0-or-later
// One row as the model gets it: its pictures, its conversation, and every token by what becomes of
// it: learned, masked, picture, cut off. Each kind has its word and its mark beside its colour.
#pragma once

#include <QWidget>

#include "engine/session/session.h"

class QHBoxLayout;
class QLabel;
class QPushButton;
class QTextBrowser;

namespace luthier {

class Legend;

class RowView : public QWidget {
  Q_OBJECT

 public:
  explicit RowView(QWidget* parent = nullptr);
  void show_row(const RowPreview& row, const QStringList& findings);
  void clear();
  /// Whether the model sees pictures at all; with one that does not, none are counted.
  void set_pictures(bool any);

 signals:
  /// This row is to be looked at down to its pixels; from 0.
  void inspect_asked(std::size_t row);

 private:
  void render();
  void show_pictures();
  QLabel* add_shown(const std::string& name);
  QString conversation_html() const;
  QString steps_html(const std::vector<Message>& steps) const;
  QString tokens_html() const;
  /// Of one of its sequences.
  QString tokens_html(std::size_t begin, std::size_t end) const;

  RowPreview row_;
  QStringList findings_;
  bool any_ = false, sees_pictures_ = true;
  QLabel* title_;
  QPushButton* inspect_;
  QLabel* findings_label_;
  QHBoxLayout* pictures_;
  QTextBrowser* conversation_;
  Legend* legend_;
  QTextBrowser* tokens_;
};

}  // namespace luthier
