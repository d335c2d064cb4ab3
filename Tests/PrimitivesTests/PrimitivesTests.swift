// The first file of PrimitivesTests.
