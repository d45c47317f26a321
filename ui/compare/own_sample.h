// SPDX-License-Identifier: GPL-3.0-or-later
// A person's own question, with a picture or without: chosen, dropped or pasted. A pasted picture
// becomes a file of the program's own, so that a comparison that is kept finds it again.
#pragma once

#include <QFrame>

#include "engine/compare/sample.h"

class QImage;
class QLabel;
class QLineEdit;
class QMimeData;
class QPushButton;
class QToolButton;

namespace luthier {

class OwnSample : public QFrame {
  Q_OBJECT

 public:
  explicit OwnSample(QWidget* parent = nullptr);

  /// Whether it is one picture, by its bytes or as a file.
  static bool takes(const QMimeData* mime);
  void take(const QMimeData* mime);
  /// The picture in the clipboard; false: there is none.
  bool paste();
  const QString& picture() const { return picture_; }

 signals:
  void added(const luthier::Sample& sample);
  void failed(const luthier::Error& error);
  void wanted();  ///< it was given a picture

 protected:
  bool eventFilter(QObject* watched, QEvent* event) override;

 private:
  void set_picture(const QString& file);
  /// False, and said, where it cannot be read.
  bool show_picture(const QString& file);
  void keep(const QImage& image);
  void choose();
  void add();
  void refresh();

  QString picture_;
  int ticket_ = 0;        ///< of the picture that was chosen last
  bool keeping_ = false;  ///< a pasted one is being written
  QLabel* thumbnail_;
  QPushButton *choose_, *paste_, *add_;
  QToolButton* without_;
  QLineEdit *question_, *expected_;
};

}  // namespace luthier
