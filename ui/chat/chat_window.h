// SPDX-License-Identifier: GPL-3.0-or-later
// A chat with what is loaded: the base, or an adapter on it. Turns stay, a picture may go with each
// of them, and the answer streams. The window is beside the others: it can stay open while the
// person looks at curves.
#pragma once

#include <QDialog>
#include <vector>

#include "ui/workspace.h"

class QComboBox;
class QLabel;
class QLineEdit;
class QPushButton;
class QSpinBox;
class QDoubleSpinBox;
class QTextBrowser;
class QToolButton;

namespace luthier {

class ChatWindow : public QDialog {
  Q_OBJECT

 public:
  /// The one chat of this window.
  static ChatWindow* of(Workspace& workspace, QWidget* owner);
  /// With the result in this folder, which is attached if it is not yet: a run's, an adapter's.
  void talk_with(const QString& folder);
  /// With what is loaded.
  void talk();

 protected:
  void dragEnterEvent(QDragEnterEvent* event) override;
  void dropEvent(QDropEvent* event) override;

 private:
  struct Turn {
    QString text, picture;
    bool mine = false;
    QString who;     ///< of an answer: by whom
    QString wrong;   ///< why there is none
    QString finish;  ///< "length": it was cut off
  };

  ChatWindow(Workspace& workspace, QWidget* owner);
  QWidget* make_head();
  QWidget* make_foot();
  void fill_who();
  void attach_wanted();
  std::optional<std::string> column() const;
  AnswerRequest request() const;
  void send_or_stop();
  void ask();
  void ask_again();
  void start_anew();
  void choose_picture();
  void set_picture(const QString& file);
  void take(const AnswerUpdate& event);
  void end(const RequestDone& event);
  void say(const QString& text);
  void render();
  void refresh();
  void retranslate();

  Workspace& workspace_;
  std::vector<Turn> turns_;
  QString picture_;
  QString wanted_;  ///< the folder that is to be talked with, once it is attached
  RequestId request_ = 0;
  std::uint64_t asked_ = 0;  ///< how often
  QLabel *who_label_, *length_label_, *warmth_label_, *note_;
  QComboBox* who_;
  QSpinBox* length_;
  QDoubleSpinBox* warmth_;
  QLineEdit *system_, *text_;
  QTextBrowser* said_;
  QToolButton *attach_, *again_;
  QPushButton *send_, *fresh_;
};

}  // namespace luthier
